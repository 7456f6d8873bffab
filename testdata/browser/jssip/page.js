// A webphone as any panel embeds it: JsSIP as it comes, with its own defaults.
import JsSIP from 'jssip';

let session;
const events = [];

function follow(one) {
  session = one;
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

  // What JsSIP does by itself when half of Session-Expires is over.
  refresh: () => new Promise((done, fail) => session._sendUpdate({ eventHandlers: { succeeded: done, failed: fail } })),
  // The same with an offer in it.
  renegotiate: (useUpdate) => new Promise((done) => session.renegotiate({ useUpdate }, done)),
};
