// All that passes between a page and the network, as Chromium itself sees it:
// what was asked and answered with headers and bodies, the frames of WebSockets,
// the events of event streams.
const taps = new WeakMap();

export async function tap(page) {
  const passed = [];
  const coming = new Set(); // bodies on their way from Chromium
  taps.set(page, { passed, coming });
  const cdp = await page.context().newCDPSession(page);
  const keep = (kind, what) => passed.push(`${kind} ${typeof what === 'string' ? what : JSON.stringify(what)}`);
  const fetchBody = async (requestId) => {
    const { body, base64Encoded } = await cdp.send('Network.getResponseBody', { requestId });
    keep('body', base64Encoded ? Buffer.from(body, 'base64').toString('latin1') : body);
  };
  const frame = (direction) => ({ response }) =>
    keep(direction, response.opcode === 1 ? response.payloadData : Buffer.from(response.payloadData, 'base64').toString('latin1'));
  for (const [event, take] of Object.entries({
    requestWillBeSent: ({ request }) => keep('request', request),
    responseReceived: ({ response }) => keep('response', response),
    loadingFinished: ({ requestId }) => {
      const body = fetchBody(requestId).catch(() => {}).then(() => coming.delete(body)); // one that is gone with its page was read by nobody
      coming.add(body);
    },
    webSocketWillSendHandshakeRequest: (what) => keep('handshake', what),
    webSocketHandshakeResponseReceived: (what) => keep('handshake', what),
    webSocketFrameSent: frame('frame out'),
    webSocketFrameReceived: frame('frame in'),
    eventSourceMessageReceived: ({ eventName, data }) => keep('event', `${eventName} ${data}`),
  })) cdp.on(`Network.${event}`, take);
  await cdp.send('Network.enable', { maxTotalBufferSize: 100 << 20, maxResourceBufferSize: 20 << 20 });
}

export async function tapped(page) {
  const { passed, coming } = taps.get(page);
  while (coming.size > 0) await Promise.all(coming);
  return passed;
}
