// A SIP server as small as the pages' tests need: it registers everybody and
// hands each message to the other end of its call as it came. No exchange is in
// between, so the audio goes from browser to browser.
import { WebSocketServer } from 'ws';

const header = (message, name) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'im').exec(message)?.[1].trim() ?? '';
const userOf = (text) => decodeURIComponent(/sips?:([^@>;]+)@/.exec(text)?.[1] ?? '');

export class SipRelay {
  #users = new Map(); // user → socket
  #calls = new Map(); // Call-ID → { from, to, dialled, user }
  /** Where calls to the firm's number go, who calls them, and the exchange's call ID. */
  route = { line: '', to: '', shows: '', callId: '' };
  /** Numbers that are refused, with the SIP status. */
  refuse = { '+79990000403': '403 Forbidden', '+79990000486': '486 Busy Here' };

  attach(server, paths) {
    const sockets = new WebSocketServer({ noServer: true, handleProtocols: () => 'sip' });
    server.on('upgrade', (request, socket, head) => {
      if (!paths.includes(new URL(request.url, 'http://x').pathname)) return socket.destroy();
      sockets.handleUpgrade(request, socket, head, (ws) => {
        ws.on('message', (data) => this.#take(ws, String(data)));
        ws.on('close', () => { for (const [user, each] of this.#users) if (each === ws) this.#users.delete(user); });
      });
    });
    this.sockets = sockets;
  }

  registered(user) { return this.#users.has(user); }
  drop() { for (const ws of this.sockets.clients) ws.terminate(); }

  #take(ws, message) {
    if (!message.trim()) return;
    const first = message.slice(0, message.indexOf('\r\n'));
    if (first.startsWith('REGISTER')) return this.#register(ws, message);
    if (first.startsWith('INVITE') && !/;tag=/.test(header(message, 'To'))) return this.#invite(ws, message);
    const call = this.#calls.get(header(message, 'Call-ID'));
    if (!call) return;
    const back = ws === call.to;
    const other = back ? call.from : call.to;
    // Before there is a dialog (ACK of a refusal, CANCEL) the request names the number dialled.
    other.send(!back && userOf(first) === call.dialled ? aimAt(message, call.user) : message);
  }

  #register(ws, message) {
    const user = userOf(header(message, 'To'));
    if (this.denyRegister) return ws.send(reply(message, this.denyRegister));
    const gone = /expires[=:]\s*0\b/i.test(message);
    if (gone) this.#users.delete(user);
    else this.#users.set(user, ws);
    ws.send(reply(message, '200 OK', `Contact: ${header(message, 'Contact')};expires=120\r\n`));
  }

  #invite(ws, message) {
    const dialled = userOf(message);
    const routed = dialled === this.route.line;
    const user = routed ? this.route.to : dialled;
    const to = this.#users.get(user);
    if (this.refuse[dialled]) return ws.send(reply(message, this.refuse[dialled]));
    if (!to) return ws.send(reply(message, '480 Temporarily Unavailable'));
    this.#calls.set(header(message, 'Call-ID'), { from: ws, to, dialled, user });
    let out = aimAt(message, user);
    if (routed && this.route.shows) out = out.replace(/^(From:.*?sip:)[^@]+(@)/im, `$1${this.route.shows}$2`);
    if (routed && this.route.callId) out = out.replace('\r\n', `\r\nX-Cabline-Call: ${this.route.callId}\r\n`);
    to.send(out);
  }
}

const aimAt = (message, user) => message.replace(/^(\w+ sips?:)[^@\s]+/, `$1${encodeURIComponent(user)}`);

function reply(request, status, extra = '') {
  const kept = ['Via', 'From', 'Call-ID', 'CSeq'].map((name) => `${name}: ${header(request, name)}\r\n`).join('');
  const to = header(request, 'To');
  return `SIP/2.0 ${status}\r\n${kept}To: ${/;tag=/.test(to) ? to : `${to};tag=mock`}\r\n${extra}Content-Length: 0\r\n\r\n`;
}
