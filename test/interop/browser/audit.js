// Put into a page: window.audit() says what keeps people from using what is shown now, a line each.
window.audit = () => {
  const wrong = [];
  const shown = (e) => e.checkVisibility({ visibilityProperty: true, opacityProperty: true }) && e.getBoundingClientRect().width > 0;
  const paint = new OffscreenCanvas(1, 1).getContext('2d', { willReadFrequently: true });
  const colour = (css) => {
    paint.clearRect(0, 0, 1, 1);
    paint.fillStyle = css;
    paint.fillRect(0, 0, 1, 1);
    return [...paint.getImageData(0, 0, 1, 1).data];
  };
  // WCAG 2.2, relative luminance and 1.4.3
  const luminance = (c) => [0.2126, 0.7152, 0.0722].reduce((sum, part, i) => {
    const v = c[i] / 255;
    return sum + part * (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
  }, 0);
  const ground = (e) => {
    for (let at = e; at; at = at.parentElement) {
      const c = colour(getComputedStyle(at).backgroundColor);
      if (c[3] > 200) return c;
    }
    return [255, 255, 255, 255];
  };
  const contrast = (e) => {
    const [a, b] = [luminance(colour(getComputedStyle(e).color)), luminance(ground(e))];
    return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
  };
  const all = [...document.querySelectorAll('body *')].filter(shown);
  for (const e of all) {
    const here = `${e.tagName} ${e.id || e.className} ${e.textContent.trim().slice(0, 20)}`;
    const writes = [...e.childNodes].some((n) => n.nodeType === Node.TEXT_NODE && n.textContent.trim());
    if (writes && !e.closest('.only-heard') && contrast(e) < 4.5) wrong.push(`contrast ${contrast(e).toFixed(1)}: ${here}`);
    if (e.matches('button, a[href]') && !(e.getAttribute('aria-label') ?? e.textContent).trim()) wrong.push(`no name: ${here}`);
    if (e.matches('input, textarea') && !e.labels.length && !e.getAttribute('aria-label')) wrong.push(`no label: ${here}`);
    const { width, height } = e.getBoundingClientRect();
    const inText = e.closest('.said, .only-heard'); // 2.5.8 leaves links within a text out
    if (e.matches('button, a[href], textarea, [type=text]') && !inText && (width < 24 || height < 24)) wrong.push(`small: ${here}`);
  }
  const count = (selector) => all.filter((e) => e.matches(selector)).length;
  if (count('h1') < 1) wrong.push('no heading');
  if (count('main') > 1) wrong.push(`${count('main')} main parts`);
  if (document.documentElement.scrollWidth > innerWidth) wrong.push('it scrolls sideways');
  return wrong.join('\n');
};
