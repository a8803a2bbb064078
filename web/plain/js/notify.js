// Notices outside of the page, if the person asked for them.

export const possible = () => 'Notification' in window;
export const allowed = () => possible() && Notification.permission === 'granted';
export const refused = () => possible() && Notification.permission === 'denied';

export async function ask() { return possible() && (await Notification.requestPermission()) === 'granted'; }

// notify shows one, if nobody looks at the page; act is what a click on it does.
export function notify(title, body, tag, act) {
  if (!allowed() || document.hasFocus()) return;
  try {
    const notice = new Notification(title, { body, tag });
    notice.onclick = () => {
      window.focus();
      notice.close();
      act();
    };
  } catch { /* some browsers show them for installed pages alone */ }
}
