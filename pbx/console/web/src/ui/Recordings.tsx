import { useEffect, useState } from 'preact/hooks';
import { word } from '../i18n/index.ts';
import { clock, span } from '../logic/format.ts';
import { recorded } from '../logic/history.ts';
import type { Api } from '../net/api.ts';
import type { CDR, Recording } from '../net/types.ts';
import { useT } from './settings.ts';

const againMs = 1_000;
const tries = 5; // a file is whole a moment after its call was written down

function useRecordings(api: Api, call: CDR): Recording[] {
  const [all, setAll] = useState<Recording[]>([]);
  const there = recorded(call);
  useEffect(() => {
    if (!there) return;
    let timer = 0;
    const ask = async (left: number) => {
      const found = await api.recordings(call.id).catch(() => null);
      if (timer < 0) return;
      if (found) setAll(found);
      if (!found?.length && left > 1) timer = window.setTimeout(() => void ask(left - 1), againMs);
    };
    void ask(tries);
    return () => { clearTimeout(timer); timer = -1; };
  }, [call.id, there]);
  return all;
}

/** A player for each recorded talk of a call that is over. */
export function Recordings(props: { api: Api; call: CDR }) {
  const t = useT();
  const all = useRecordings(props.api, props.call);
  if (all.length === 0) return null;
  return (
    <div class="recordings">
      <h3>{t('calls.recordings')}</h3>
      {all.map((each) => {
        const what = t('calls.recording', { left: word(t, 'party', each.left), right: word(t, 'party', each.right), at: clock(each.started, true), length: span(each.length_seconds) });
        return (
          <figure key={each.number}>
            <figcaption class="small muted">{what}</figcaption>
            <audio controls preload="metadata" aria-label={what} data-testid={`recording-${each.number}`} src={props.api.recordingURL(props.call.id, each.number)} />
          </figure>
        );
      })}
    </div>
  );
}
