// One window at a time uses the device: two would take the connection from each other for ever.
import { $ } from './dom.js';

const TAKE = 'parley.take'; // says that this window may take the device from another
const PATIENCE = 1500; // in which a window that is going lets go

// alone waits until this window may use the device; taken is called when another one does. Where the browser has no
// locks, the server's word decides.
export async function alone(device, taken) {
  if (!navigator.locks) return;
  const take = sessionStorage.getItem(TAKE) !== null;
  sessionStorage.removeItem(TAKE);
  if (await held(device, take ? { steal: true } : { signal: AbortSignal.timeout(PATIENCE) }, taken)) return;
  await new Promise((wanted) => {
    $('elsewhere').hidden = false;
    $('elsewhere-button').focus();
    $('elsewhere-button').onclick = wanted;
  });
  $('elsewhere').hidden = true;
  await held(device, { steal: true }, taken);
}

// held says whether the lock was got.
function held(device, how, taken) {
  return new Promise((got) => {
    let mine = false;
    const hold = () => {
      mine = true;
      got(true);
      return new Promise(() => {}); // until the window is gone
    };
    navigator.locks.request(`parley ${device}`, how, hold).catch(() => (mine ? taken() : got(false)));
  });
}

// takeOver loads the page anew, to use the device here.
export function takeOver() {
  sessionStorage.setItem(TAKE, '');
  location.reload();
}
