// Drawing of the selected candidate: three orthogonal slices, and its place in the tomogram.

const MIDDLE = 32768;

// Standard deviation of the voxels, by which contrast is measured.
export function spread(voxels) {
  let sum = 0;
  for (const value of voxels) sum += (value - MIDDLE) ** 2;
  return Math.sqrt(sum / voxels.length) || 1;
}

function drawSlice(canvas, width, height, voxelAt, scale) {
  const image = new ImageData(width, height);
  for (let row = 0; row < height; row++) {
    for (let column = 0; column < width; column++) {
      const gray = 127.5 + scale * (voxelAt(row, column) - MIDDLE);
      const place = 4 * (row * width + column);
      image.data[place] = image.data[place + 1] = image.data[place + 2] = gray;
      image.data[place + 3] = 255;
    }
  }
  const small = new OffscreenCanvas(width, height);
  small.getContext("2d").putImageData(image, 0, 0);
  const context = canvas.getContext("2d");
  context.imageSmoothingEnabled = true;
  context.drawImage(small, 0, 0, canvas.width, canvas.height);
  return context;
}

function line(context, from, to) {
  context.strokeStyle = "rgba(240, 228, 66, 0.9)";
  context.lineWidth = 1;
  context.beginPath();
  context.moveTo(...from);
  context.lineTo(...to);
  context.stroke();
}

// Slices of a box (z, y, x): one at z, and the central ones in the other two directions, in which a
// line shows where z is.
export function drawBox(canvases, voxels, [depth, height, width], z, contrast) {
  const scale = 127.5 * contrast / (30 * spread(voxels));
  const at = (k, j, i) => voxels[(k * height + j) * width + i];
  const [y, x] = [Math.floor(height / 2), Math.floor(width / 2)];
  drawSlice(canvases.xy, width, height, (row, column) => at(z, row, column), scale);
  const xz = drawSlice(canvases.xz, width, depth, (row, column) => at(row, y, column), scale);
  const level = (z + 0.5) / depth;
  line(xz, [0, level * canvases.xz.height], [canvases.xz.width, level * canvases.xz.height]);
  const zy = drawSlice(canvases.zy, depth, height, (row, column) => at(column, row, x), scale);
  line(zy, [level * canvases.zy.width, 0], [level * canvases.zy.width, canvases.zy.height]);
}

export function clear(canvas) {
  canvas.getContext("2d").clearRect(0, 0, canvas.width, canvas.height);
}

// The slice of the tomogram, with the box marked.
export function drawPlace(canvas, image, where, box) {
  const [, height, width] = where.tomogram_shape;
  const factor = Math.min(canvas.width / width, canvas.height / height);
  const context = canvas.getContext("2d");
  clear(canvas);
  context.drawImage(image, 0, 0, factor * width, factor * height);
  const [, y, x] = where.center;
  const edge = Math.max(factor * box[2], 8);
  context.lineWidth = 4;
  for (const [color, lineWidth] of [["#000", 4], ["#f0e442", 2]]) {
    context.strokeStyle = color;
    context.lineWidth = lineWidth;
    context.strokeRect(factor * x - edge / 2, factor * y - edge / 2, edge, edge);
  }
}
