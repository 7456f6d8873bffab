import { Microphone } from '../phone/microphone.ts';
import { SipPhone } from '../phone/sipphone.ts';
import { melodies, type Sound } from '../phone/sound.ts';
import type { FakePhone } from '../net/types.ts';
import type { PhoneDebug } from '../window.d.ts';

/** A telephone of the demo with what it speaks with: the microphone, or a tone of its own. */
export class Handset {
  readonly mic: Microphone;
  readonly phone: SipPhone;

  constructor(sound: Sound, private account: FakePhone, tone: { hz: number; always: boolean }) {
    this.mic = new Microphone(sound, tone);
    this.phone = new SipPhone(sound, this.mic, melodies.mobile);
  }

  start(): void {
    const { uri, ws, login, password } = this.account;
    void this.mic.open();
    this.phone.start({ uri, ws, login, password });
  }
}

export function debugPhone(phone: SipPhone): PhoneDebug {
  return {
    get phone() { return phone.value; },
    get events() { return [...phone.events]; },
    measure: () => phone.measure(),
    stats: () => phone.stats(),
    mute: (on) => phone.mute(on),
  };
}
