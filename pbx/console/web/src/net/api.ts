import type { CDR, Card, DemoInfo, Me, Notice, NoticeStep, OptOut, Order, Recording } from './types.ts';

/** An answer that is no success, or no answer at all (status 0). */
export class ApiError extends Error {
  constructor(
    readonly status: number,
    message: string,
    /** What is wrong with which field; car fields as "car.plate". */
    readonly fields: Record<string, string> = {},
  ) {
    super(message);
  }
}

/** Reads RFC 9457 problem details. Where a field error says where it is differs between writers: all are taken. */
export function readProblem(status: number, body: unknown): ApiError {
  const problem = (body && typeof body === 'object' ? body : {}) as Record<string, unknown>;
  const fields: Record<string, string> = {};
  if (Array.isArray(problem.errors)) {
    for (const entry of problem.errors as Record<string, unknown>[]) {
      const where = entry.field ?? entry.pointer ?? entry.location ?? entry.name;
      const what = entry.message ?? entry.detail ?? entry.reason;
      if (typeof where !== 'string' || typeof what !== 'string') continue;
      fields[where.replace(/^#?\//, '').replace(/^body\./, '').replaceAll('/', '.')] = what;
    }
  }
  const text = [problem.detail, problem.title].find((part) => typeof part === 'string' && part !== '');
  return new ApiError(status, typeof text === 'string' ? text : `HTTP ${status}`, fields);
}

const limitMs = 10_000;

export class Api {
  /** With a token requests carry it; without, the session's cookie goes with them. */
  constructor(private token = '') {}

  async request<T>(method: string, path: string, body?: unknown, ms = limitMs): Promise<T> {
    const headers: Record<string, string> = { Accept: 'application/json' };
    if (this.token) headers.Authorization = `Bearer ${this.token}`;
    if (body !== undefined) headers['Content-Type'] = 'application/json';
    let answer: Response;
    let text: string;
    try {
      answer = await fetch(path, {
        method, headers, credentials: 'same-origin', cache: 'no-store', signal: AbortSignal.timeout(ms),
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      });
      text = await answer.text();
    } catch (error) {
      throw new ApiError(0, String(error));
    }
    let parsed: unknown;
    try {
      parsed = text === '' ? undefined : JSON.parse(text);
    } catch {
      parsed = undefined;
    }
    if (!answer.ok) throw readProblem(answer.status, parsed);
    return parsed as T;
  }

  login = (login: string, password: string) => this.request<Me>('POST', '/console/api/login', { login, password });
  logout = () => this.request<void>('POST', '/console/api/logout');
  me = () => this.request<Me>('GET', '/console/api/me');
  ready = (ready: boolean) => this.request<void>('POST', '/console/api/me/ready', { ready });
  card = (call: string) => this.request<Card>('GET', `/console/api/calls/${encodeURIComponent(call)}/card`);
  alive = () => this.request<unknown>('GET', '/healthz', undefined, 3000);

  order = (id: string) => this.request<Order>('GET', `/api/v1/orders/${encodeURIComponent(id)}`);
  createOrder = (order: object) => this.request<Order>('POST', '/api/v1/orders', order);
  changeOrder = (id: string, change: object) =>
    this.request<Order>('PATCH', `/api/v1/orders/${encodeURIComponent(id)}`, change);
  /** Lets client and driver of a ride reach each other by calling the firm, or no longer; until when. */
  lostItem = async (id: string, open: boolean) =>
    (await this.request<{ until: string | null }>('PUT', `/api/v1/orders/${encodeURIComponent(id)}/lost-item`, { open })).until;
  async orders(filter: { phone?: string; active?: boolean; limit?: number }): Promise<Order[]> {
    const query = new URLSearchParams();
    if (filter.phone) query.set('phone', filter.phone);
    if (filter.active) query.set('active', 'true');
    if (filter.limit) query.set('limit', String(filter.limit));
    return (await this.request<{ orders: Order[] | null }>('GET', `/api/v1/orders?${query}`)).orders ?? [];
  }

  liveCalls = async () => (await this.request<{ calls: CDR[] | null }>('GET', '/api/v1/calls')).calls ?? [];
  /** Calls that are over, newest first. after: the next of an earlier answer. */
  cdrs(since: Date, after: string, limit: number): Promise<{ cdrs: CDR[] | null; next: string }> {
    const query = new URLSearchParams({ newest: 'true', since: since.toISOString(), limit: String(limit) });
    if (after) query.set('after', after);
    return this.request('GET', `/api/v1/cdrs?${query}`);
  }
  recordings = async (call: string) =>
    (await this.request<{ recordings: Recording[] | null }>('GET', `/api/v1/calls/${encodeURIComponent(call)}/recordings`)).recordings ?? [];
  recordingURL = (call: string, number: number) => `/api/v1/calls/${encodeURIComponent(call)}/recordings/${number}`;
  async notices(filter: { state: string; phone: string; limit: number }): Promise<Notice[]> {
    const query = new URLSearchParams({ limit: String(filter.limit) });
    if (filter.state) query.set('state', filter.state);
    if (filter.phone) query.set('phone', filter.phone);
    return (await this.request<{ notices: Notice[] | null }>('GET', `/api/v1/notices?${query}`)).notices ?? [];
  }
  notice = (id: number) => this.request<{ notice: Notice; journal: NoticeStep[] | null }>('GET', `/api/v1/notices/${id}`);
  optOuts = async () => (await this.request<{ opt_outs: OptOut[] | null }>('GET', '/api/v1/opt-outs?limit=1000')).opt_outs ?? [];
  optOut = (phone: string, calls: boolean) => this.request<unknown>('POST', '/api/v1/opt-outs', { phone, calls });
  connect = (order_id: string) => this.request<{ id: string; state: string }>('POST', '/api/v1/connect', { order_id });
  demo = () => this.request<DemoInfo>('GET', '/demo/api/info');
}
