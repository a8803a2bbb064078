// Why a call ended, in words: of the status, and of the Reason that was given with it (RFC 3326).

const STATUS = {
  400: 'The call was not understood', 401: 'You are not signed in', 403: 'That is not allowed', 404: 'There is no such address',
  407: 'You are not signed in', 408: 'No answer', 410: 'The address is gone', 415: 'No common way to talk', 420: 'No common way to talk',
  480: 'Not there now', 484: 'The address is incomplete', 486: 'Busy', 487: 'Cancelled', 488: 'No common way to talk',
  491: 'Both called at once', 500: 'The server failed', 501: 'That can’t be done', 503: 'The server has no room now',
  504: 'No answer from the other side', 600: 'Busy', 603: 'Declined', 604: 'There is no such address', 606: 'No common way to talk',
};

const CAUSE = {
  'User Denied Media Access': 'This page may not use the microphone or camera', 'WebRTC Error': 'The browser could not set the call up',
  'Request Timeout': 'The server does not answer', 'Connection Error': 'The connection was lost', 'RTP Timeout': 'Nothing was heard any more',
  'No Answer': 'No answer', 'Canceled': 'Cancelled', 'Rejected': 'Declined', 'Bad Media Description': 'No common way to talk',
};

// reason reads a Reason field: { protocol, cause, text }.
export function reason(field) {
  const [, protocol, rest] = /^\s*([\w.!%*+`'~-]+)\s*(.*)$/s.exec(field ?? '') ?? [];
  if (!protocol) return null;
  const cause = /;\s*cause\s*=\s*(\d+)/i.exec(rest)?.[1];
  const said = /;\s*text\s*=\s*"((?:[^"\\]|\\.)*)"/i.exec(rest)?.[1]?.replace(/\\(.)/g, '$1');
  return { protocol: protocol.toUpperCase(), cause: cause && Number(cause), text: said };
}

// ending says why a call ended: { words, detail }. event is JsSIP's; answered whether there was talk.
export function ending(event, answered, outgoing) {
  const { message } = event;
  const given = reason(message?.getHeader?.('Reason'));
  const detail = [message?.status_code && `${message.status_code} ${message.reason_phrase ?? ''}`.trim(), told(given)].filter(Boolean).join(' · ');
  return { words: words(event, given, answered, outgoing), detail };
}

function told(given) {
  if (!given) return '';
  const cause = given.cause ? ` ${given.cause}` : '';
  return `${given.protocol}${cause}${given.text ? ` “${given.text}”` : ''}`;
}

function words(event, given, answered, outgoing) {
  const status = event.message?.status_code;
  if (answered && event.cause === 'Terminated') return event.originator === 'local' ? 'You hung up' : 'They hung up';
  if (status && STATUS[status] && event.originator === 'remote') return STATUS[status];
  if (given?.protocol === 'SIP' && given.cause === 200) return 'Answered on another device';
  if (given?.protocol === 'SIP' && given.cause >= 600) return 'Declined on another device';
  if (event.cause === 'Canceled') return outgoing ? 'You cancelled' : 'They gave up';
  if (event.cause === 'Rejected' && event.originator === 'local') return 'You declined';
  if (event.cause === 'Terminated' && event.originator === 'local') return outgoing ? 'You cancelled' : 'You declined';
  return CAUSE[event.cause] ?? event.cause ?? 'It ended';
}
