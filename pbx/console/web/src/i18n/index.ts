import { en } from './en.ts';
import { ru, type Key } from './ru.ts';

export type { Key };
export type Language = 'ru' | 'en';
export type Params = Record<string, string | number>;
export type Translate = (key: Key, params?: Params) => string;

export const tables: Record<Language, Record<Key, string>> = { ru, en };

export function translator(language: Language): Translate {
  const table = tables[language];
  return (key, params = {}) => table[key].replace(/\{(\w+)\}/g, (whole, name: string) => String(params[name] ?? whole));
}

/** A word which came from the exchange: translated when we know it, else as it came. */
export function word(t: Translate, group: string, value: string): string {
  const key = `${group}.${value}`;
  return key in ru ? t(key as Key) : value;
}
