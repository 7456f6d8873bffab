// A webphone as any panel embeds it: JsSIP as it comes, with its own defaults.
import JsSIP from 'jssip';

let session;
const sessions = [];
const events = [];

function follow(one) {
  session = one;
  sessions.push(one);
  for (const name of ['progress', 'accepted', 'confirmed', 'ended', 'failed', 'hold', 'unhold']) {
    one.on(name, (e) => events.push(`${name} ${e?.originator ?? ''} ${e?.cause ?? ''}`.trim()));
  }
  const play = (connection) => connection.addEventListener('track', ({ streams }) => {
    const audio = new Audio();
    audio.srcObject = streams[0];
    audio.play();
  });
  if (one.connection) play(one.connection);
  else one.on('peerconnection', ({ peerconnection }) => play(peerconnection));
}

const media = { mediaConstraints: { audio: true, video: false } };

window.phone = {
  events,
  get number() { return session?.remote_identity.uri.user; },

  register(server, login, password) {
    const socket = new JsSIP.WebSocketInterface(server);
    const ua = new JsSIP.UA({ sockets: [socket], uri: `sip:${login}@${new URL(server).hostname}`, password });
    for (const name of ['registered', 'registrationFailed']) ua.on(name, (e) => events.push(`${name} ${e.cause ?? ''}`.trim()));
    ua.on('newRTCSession', ({ originator, session: one }) => {
      if (originator === 'remote') follow(one);
      events.push(`call ${originator}`);
    });
    ua.start();
    this.call = (number) => follow(ua.call(`sip:${number}@${new URL(server).hostname}`, media));
    this.leave = () => ua.stop();
  },

  answer: () => session.answer(media),
  press: (keys) => session.sendDTMF(keys),
  hold: () => session.hold(),
  unhold: () => session.unhold(),
  hangUp: () => session.terminate(),

  // Lets the first and the last party go on with each other (REFER with Replaces).
  join: () => {
    const [first, last] = [sessions[0], sessions.at(-1)];
    const tell = (what) => () => events.push(`refer ${what}`);
    first.refer(last.remote_identity.uri, { replaces: last, eventHandlers: {
      requestFailed: tell('refused'), trying: tell('trying'), accepted: tell('accepted'), failed: tell('failed') } });
  },

  // What JsSIP does by itself when half of Session-Expires is over.
  refresh: () => new Promise((done, fail) => session._sendUpdate({ eventHandlers: { succeeded: done, failed: fail } })),
  // The same with an offer in it.
  renegotiate: (useUpdate) => new Promise((done) => session.renegotiate({ useUpdate }, done)),
};
