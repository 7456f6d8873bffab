import { Store } from '../logic/store.ts';
import type { Api } from './api.ts';
import { ApiError } from './api.ts';
import type { Floor } from './types.ts';

const pingMs = 5_000;
const retryMs = 3_000;

export interface LiveView {
  server: 'unknown' | 'up' | 'down';
  floor: Floor | null;
  /** The session is over: somebody must log in again. */
  loggedOut: boolean;
}

/**
 * What the exchange tells without being asked. A stream that hangs in a dead
 * network looks alive for minutes, so the exchange is also asked every few
 * seconds whether it is there.
 */
export class Live extends Store<LiveView> {
  private source: EventSource | null = null;
  private ping: ReturnType<typeof setInterval> | undefined;
  private retry: ReturnType<typeof setTimeout> | undefined;
  private readonly wentOff = () => this.set({ server: 'down' });
  private readonly cameBack = () => void this.look();

  constructor(private api: Api) {
    super({ server: 'unknown', floor: null, loggedOut: false });
  }

  start(): void {
    this.stop();
    this.set({ loggedOut: false });
    this.listen();
    this.ping = setInterval(() => void this.look(), pingMs);
    window.addEventListener('offline', this.wentOff);
    window.addEventListener('online', this.cameBack);
  }

  stop(): void {
    clearInterval(this.ping);
    clearTimeout(this.retry);
    this.source?.close();
    this.source = null;
    window.removeEventListener('offline', this.wentOff);
    window.removeEventListener('online', this.cameBack);
  }

  private listen(): void {
    this.source?.close();
    const source = new EventSource('/console/api/events');
    this.source = source;
    source.addEventListener('open', () => this.set({ server: 'up' }));
    source.addEventListener('state', (event) => {
      try {
        const floor = JSON.parse((event as MessageEvent<string>).data) as Partial<Floor>;
        this.set({
          server: 'up',
          floor: { operators: floor.operators ?? [], waiting: floor.waiting ?? [], answers: floor.answers ?? [], calls: floor.calls ?? 0 },
        });
      } catch {
        this.set({ server: 'down' });
      }
    });
    source.addEventListener('error', () => {
      this.set({ server: 'down' });
      if (source.readyState === EventSource.CLOSED) void this.whyClosed();
    });
  }

  /** EventSource does not tell a refusal from a failure, and does not try again after one. */
  private async whyClosed(): Promise<void> {
    try {
      await this.api.me();
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) {
        this.stop();
        this.set({ loggedOut: true });
        return;
      }
    }
    clearTimeout(this.retry);
    this.retry = setTimeout(() => this.listen(), retryMs);
  }

  private async look(): Promise<void> {
    if (!this.source) return;
    try {
      await this.api.alive();
    } catch (error) {
      // A healthz that answers "unwell" is still an answer.
      if (!(error instanceof ApiError) || error.status === 0) return this.set({ server: 'down' });
    }
    if (this.value.server === 'up') return;
    this.listen();
  }
}
