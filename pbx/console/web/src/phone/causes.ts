import type { Cause } from './types.ts';

/** Why a call ended, from what SIP said. Pure. */
export interface Ending {
  code: number; // of a final response; 0: none
  originator: string; // local remote system
  jssip: string; // JsSIP's own word
  reason: string; // the Reason header (RFC 3326)
}

export function causeOf(end: Ending): Cause {
  // RFC 3326: a CANCEL with "Call completed elsewhere" is no missed call.
  if (/cause=200\b|elsewhere/i.test(end.reason)) return 'elsewhere';
  switch (end.jssip) {
    case 'Canceled': return end.originator === 'local' ? 'hung_up' : 'cancelled';
    case 'Rejected': if (end.originator === 'local') return 'declined'; break;
    case 'Connection Error': case 'Request Timeout': return 'network';
    case 'User Denied Media Access': case 'RTP Timeout': case 'WebRTC Error': case 'Bad Media Description':
    case 'Incompatible SDP': case 'Missing SDP': return 'media';
    case 'No Answer': case 'Expires': return 'no_answer';
    case 'Terminated': return end.originator === 'local' ? 'hung_up' : 'they_hung_up';
  }
  return byCode(end.code);
}

function byCode(code: number): Cause {
  switch (code) {
    case 0: return 'failed';
    case 486: case 600: return 'busy';
    case 408: return 'no_answer';
    case 403: case 401: case 407: return 'not_allowed';
    case 404: case 410: case 604: return 'not_found';
    case 484: case 400: case 416: return 'bad_number';
    case 480: case 502: case 504: return 'unavailable';
    case 487: return 'cancelled';
    case 488: case 606: return 'media';
    case 503: return 'no_channel';
    case 603: return 'rejected';
    default: return 'failed';
  }
}
