// Pictures of the reader's own, by file, drop or paste: made small enough for a question and a link. The server
// looks at 64 to 128 pixels of it, so that 512 lose nothing.
// SPDX-License-Identifier: Apache-2.0

const SIDE_MAX = 512;

const asDataUrl = (blob) => new Promise((good, bad) => {
  const reader = new FileReader();
  reader.onload = () => good(reader.result);
  reader.onerror = () => bad(new Error('the picture cannot be read'));
  reader.readAsDataURL(blob);
});

// A small JPEG goes as it is, so that a tile's own picture is the tile; anything else is drawn anew. What the browser cannot
// decode (TIFF) goes to the server as it is.
export async function exampleOf(file, sign = 1) {
  const bitmap = await createImageBitmap(file).catch(() => null);
  const side = bitmap ? Math.max(bitmap.width, bitmap.height) : 0;
  let blob = file;
  if (bitmap && (side > SIDE_MAX || file.type !== 'image/jpeg')) {
    const scale = Math.min(1, SIDE_MAX / side);
    const canvas = new OffscreenCanvas(Math.max(1, Math.round(bitmap.width * scale)), Math.max(1, Math.round(bitmap.height * scale)));
    const context = canvas.getContext('2d');
    context.imageSmoothingQuality = 'high';
    context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
    blob = await canvas.convertToBlob({ type: 'image/jpeg', quality: 0.92 });
  }
  return { sign, image: await asDataUrl(blob), name: file.name || 'picture' };
}

export function listen(onFiles) {
  const files = (items) => [...items].filter((f) => f.type.startsWith('image/'));
  const wants = (e) => [...(e.dataTransfer?.types ?? [])].includes('Files');
  let inside = 0;
  const show = (by) => {
    inside = Math.max(0, inside + by);
    document.body.classList.toggle('dropping', inside > 0);
  };
  addEventListener('dragenter', (e) => { if (wants(e)) { e.preventDefault(); show(1); } });
  addEventListener('dragleave', (e) => { if (wants(e)) show(-1); });
  addEventListener('dragover', (e) => { if (wants(e)) e.preventDefault(); });
  addEventListener('drop', (e) => {
    if (!wants(e)) return;
    e.preventDefault();
    inside = 0;
    show(0);
    onFiles(files(e.dataTransfer.files));
  });
  addEventListener('paste', (e) => {
    const pasted = files(e.clipboardData?.files ?? []);
    if (pasted.length) onFiles(pasted);
  });
}
