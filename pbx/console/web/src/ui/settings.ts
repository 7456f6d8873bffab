import { useEffect, useLayoutEffect, useMemo, useReducer, useState } from 'preact/hooks';
import { translator, type Language, type Translate } from '../i18n/index.ts';
import { Store } from '../logic/store.ts';

type Theme = 'dark' | 'light';
const languages: readonly Language[] = ['ru', 'en'];
const themes: readonly Theme[] = ['dark', 'light'];

function remembered<T extends string>(key: string, allowed: readonly T[], otherwise: T): T {
  try {
    const value = localStorage.getItem(key) as T | null;
    return value && allowed.includes(value) ? value : otherwise;
  } catch {
    return otherwise; // storage may be forbidden
  }
}

/** What the person chose for this browser. */
class Settings extends Store<{ language: Language; theme: Theme }> {
  constructor() {
    super({
      language: remembered('cabline.language', languages, 'ru'),
      theme: remembered('cabline.theme', themes, 'dark'),
    });
    this.apply();
    this.watch(() => this.apply());
    // Another page of the same browser changed it, the demo's frame for one.
    window.addEventListener('storage', () => this.set({
      language: remembered('cabline.language', languages, this.value.language),
      theme: remembered('cabline.theme', themes, this.value.theme),
    }));
  }

  choose(change: Partial<{ language: Language; theme: Theme }>): void {
    this.set(change);
    try {
      localStorage.setItem('cabline.language', this.value.language);
      localStorage.setItem('cabline.theme', this.value.theme);
    } catch {
      // it holds until the page is closed
    }
  }

  /** The account's language counts where this browser's person has chosen none. */
  suggest(language: string): void {
    if (language !== 'ru' && language !== 'en') return;
    this.set({ language: remembered('cabline.language', languages, language) });
  }

  private apply(): void {
    document.documentElement.lang = this.value.language;
    document.documentElement.dataset.theme = this.value.theme;
  }
}

export const settings = new Settings();

export function useStore<T extends object>(store: Store<T>): T {
  const [, again] = useReducer((n: number) => n + 1, 0);
  const shown = store.value;
  useLayoutEffect(() => {
    if (store.value !== shown) again(undefined); // it changed while this was being drawn
    return store.watch(() => again(undefined));
  }, [store]);
  return shown;
}

export function useT(): Translate {
  const { language } = useStore(settings);
  return useMemo(() => translator(language), [language]);
}

/** The time, told every ms milliseconds. */
export function useNow(ms = 1000): number {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), ms);
    return () => clearInterval(timer);
  }, [ms]);
  return now;
}
