import type { Key, Params } from '../i18n/index.ts';
import type { CallPhase, LineState } from '../phone/types.ts';

/** What the demo tells a newcomer, from what the phones and the exchange are doing. Pure. */

export interface Scene {
  asking: boolean; // the browser asks the person for the microphone
  client: { line: LineState; phase: CallPhase | 'none' };
  driver: { line: LineState; phase: CallPhase | 'none' };
  operator: CallPhase | 'none';
  /** Where the exchange says the call stands; empty: it knows of none. */
  state: string;
  order: { status: string; hasDriver: boolean } | null; // the client's active order
}

export function story(scene: Scene): [Key, Params?] {
  if (scene.asking) return ['story.mic'];
  const lines = [scene.client.line, scene.driver.line];
  if (lines.some((line) => line === 'down' || line === 'refused' || line === 'failed')) return ['story.dead'];
  if (lines.some((line) => line !== 'up')) return ['story.starting'];
  if (scene.client.phase === 'ringing') return ['story.client_ringing'];
  if (scene.driver.phase === 'ringing') return ['story.driver_ringing'];
  if (scene.operator === 'ringing') return ['story.operator_ringing'];
  if (scene.client.phase === 'none' && scene.driver.phase === 'none') {
    return scene.order ? ['story.order', { status: scene.order.status }] : ['story.no_order'];
  }
  if (scene.driver.phase === 'talking' && scene.client.phase === 'talking') return ['story.driver_talking'];
  if (scene.operator === 'talking') return [scene.order ? 'story.operator_talking_order' : 'story.operator_talking'];
  switch (scene.state) {
    case '': return [scene.client.phase === 'calling' ? 'story.calling' : 'story.other'];
    case 'looking_up': return [scene.client.phase === 'calling' ? 'story.lookup' : 'story.greeting'];
    case 'in_menu': return [scene.order?.hasDriver ? 'story.menu_driver' : 'story.menu'];
    case 'calling_driver': return ['story.driver_dialling'];
    case 'waiting': return ['story.waiting'];
  }
  return ['story.other'];
}
