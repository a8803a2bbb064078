// Put into a page before its own scripts, after ear.js: what is heard of every call is kept, as window.heard. The page
// itself has to play it: a remote track gives samples only then.
window.heard = {
  ...ear,

  listen(track) {
    const context = new AudioContext({ sampleRate: 8000 });
    const tap = context.createScriptProcessor(1024, 1, 1);
    tap.onaudioprocess = (block) => this.heard.push(block.inputBuffer.getChannelData(0).slice());
    context.createMediaStreamSource(new MediaStream([track])).connect(tap);
    tap.connect(context.destination);
    track.addEventListener('ended', () => context.close());
  },
};

window.RTCPeerConnection = class extends RTCPeerConnection {
  constructor(...args) {
    super(...args);
    window.heard.servers = args[0]?.iceServers ?? [];
    this.addEventListener('track', ({ track }) => { if (track.kind === 'audio') window.heard.listen(track); });
  }
};
