import { createContext } from 'preact';
import { useContext } from 'preact/hooks';
import { dialable, phoneText } from '../logic/format.ts';
import { useT } from './settings.ts';

/** What a click on a number does; null where there is no telephone. */
export const Dial = createContext<((number: string) => void) | null>(null);

export function PhoneLink(props: { phone: string; testid?: string }) {
  const t = useT();
  const dial = useContext(Dial);
  if (!props.phone) return <span class="muted">{t('call.withheld')}</span>;
  const text = phoneText(props.phone);
  if (!dial) return <span class="number">{text}</span>;
  return (
    <button type="button" class="number link" title={t('call.to', { phone: text })} data-testid={props.testid ?? 'dial-number'}
      data-phone={props.phone} onClick={(event) => { event.stopPropagation(); dial(props.phone); }}>{text}</button>
  );
}

const channelName = 'cabline.dial';
const answerMs = 400;

/** Calls from a page without a telephone: the console's page, when one is open, dials; else one is opened with the number filled in. */
export function dialElsewhere(number: string): void {
  const channel = new BroadcastChannel(channelName);
  const nobody = setTimeout(() => {
    channel.close();
    window.open(`/#dial=${encodeURIComponent(number)}`, 'cabline-console');
  }, answerMs);
  channel.onmessage = (event) => {
    if (event.data !== 'dialling') return;
    clearTimeout(nobody);
    channel.close();
  };
  channel.postMessage({ dial: number });
}

export function listenForDials(dial: (number: string) => void): () => void {
  const channel = new BroadcastChannel(channelName);
  channel.onmessage = (event: MessageEvent<{ dial?: unknown }>) => {
    const number = event.data?.dial;
    if (typeof number !== 'string' || dialable(number) !== number) return;
    channel.postMessage('dialling');
    dial(number);
  };
  return () => channel.close();
}
