// In every page before its own scripts: an ear on what the page hears through
// WebRTC, beside what the page does with it. recording(n) is the sound of the
// n-th connection, or the n-th last one (-1): 8000 samples a second, 16 bit, in
// base64.
(() => {
  const rate = 8000;
  const connections = [];

  async function hear(track) {
    const heard = [];
    connections.push(heard);
    const silence = (ms) => { for (let n = Math.round((ms * rate) / 1000); n > 0; n--) heard.push(0); };
    // Not by WebAudio, which would lose what comes while the page is busy.
    const frames = new MediaStreamTrackProcessor({ track, maxBufferSize: 1000 }).readable.getReader();
    let end = 0; // of the frame before, µs
    let [sum, summed, due] = [0, 0, 0]; // each sample is the mean of those it stands for
    for (let read; !(read = await frames.read()).done;) {
      const { value: frame } = read;
      const samples = new Float32Array(frame.numberOfFrames);
      frame.copyTo(samples, { planeIndex: 0, format: 'f32-planar' });
      const step = rate / frame.sampleRate;
      if (end > 0 && frame.timestamp - end > 100_000) silence((frame.timestamp - end) / 1000); // on hold nothing comes
      end = frame.timestamp + frame.duration;
      heard.came = performance.now();
      frame.close();
      for (const sample of samples) {
        sum += sample;
        summed++;
        if ((due += step) < 1) continue;
        heard.push(Math.round(32767 * Math.min(1, Math.max(-1, sum / summed))));
        [sum, summed, due] = [0, 0, due - 1];
      }
    }
  }

  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...how) {
      super(...how);
      this.addEventListener('track', ({ track }) => void hear(track));
    }
  };

  window.recording = (n) => {
    const heard = connections.at(n) ?? [];
    const quiet = performance.now() - (heard.came ?? 0);
    const samples = Int16Array.from(quiet < 200 ? heard : [...heard, ...new Array(Math.round((quiet * rate) / 1000)).fill(0)]);
    const bytes = new Uint8Array(samples.buffer);
    let text = '';
    for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
    return btoa(text);
  };
})();
