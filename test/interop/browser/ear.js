// What a page hears, as a recording.
const ear = {
  audio: Object.assign(new Audio(), { autoplay: true }),
  heard: [],

  // begin forgets what was heard.
  begin() { this.heard = []; },

  // A remote track gives samples only while an element plays it.
  listen(track) {
    const stream = new MediaStream([track]);
    const heard = this.heard; // of this call
    this.audio.srcObject = stream;
    this.context?.close();
    const context = this.context = new AudioContext({ sampleRate: 8000 });
    const tap = context.createScriptProcessor(1024, 1, 1);
    tap.onaudioprocess = (block) => heard.push(block.inputBuffer.getChannelData(0).slice());
    context.createMediaStreamSource(stream).connect(tap);
    tap.connect(context.destination);
  },

  // What was heard, as 16-bit samples in base64.
  recording() {
    const samples = this.heard.flatMap((block) => [...block]);
    const bytes = new Uint8Array(2 * samples.length);
    const view = new DataView(bytes.buffer);
    samples.forEach((s, i) => view.setInt16(2 * i, Math.max(-1, Math.min(1, s)) * 32767, true));
    let text = '';
    bytes.forEach((b) => { text += String.fromCharCode(b); });
    return btoa(text);
  },
};
