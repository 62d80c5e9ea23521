// Two figures that answer to a reader without a kernel; tools/site.py writes their data beside them.
const colours = EXPLORED.colours; // of the ten digits

function canvas(parent, size, label) {
  const made = parent.appendChild(document.createElement("canvas"));
  made.width = made.height = size;
  made.setAttribute("role", "img");
  made.setAttribute("aria-label", label);
  return made.getContext("2d");
}

function points(context, xy, labels, extent) { // xy: x0, y0, x1, y1, ...; extent: half the side
  const size = context.canvas.width, scale = size / (2 * extent);
  context.clearRect(0, 0, size, size);
  labels.forEach((label, i) => {
    context.fillStyle = colours[label];
    context.fillRect(size / 2 + scale * xy[2 * i] - 1.5, size / 2 - scale * xy[2 * i + 1] - 1.5, 3, 3);
  });
}

function legend(parent) {
  const line = parent.appendChild(document.createElement("p"));
  line.innerHTML = colours.map((c, digit) => `<b style="color:${c}">${digit}</b>`).join(" ");
  return parent.appendChild(document.createElement("p"));
}

// The image at z, between the four decoded images around it: each is laid over those before it.
function plane(parent, { extent, side, sprite, codes, labels }) {
  const map = canvas(parent, 400, "codes of test images in the plane"),
        digit = canvas(parent, 280, "the decoded image under the pointer"), said = legend(parent);
  const images = new Image();
  points(map, codes, labels, extent);
  function show(z) {
    const [column, row] = z.map((v) => Math.min((v + extent) / (2 * extent) * (side - 1), side - 1.001));
    const [j, i] = [Math.floor(column), Math.floor(row)], [t, s] = [column - j, row - i];
    let total = 0;
    for (const [di, dj, weight] of [[0, 0, (1 - s) * (1 - t)], [0, 1, (1 - s) * t],
                                    [1, 0, s * (1 - t)], [1, 1, s * t]]) {
      total += weight;
      digit.globalAlpha = total ? weight / total : 0;
      digit.drawImage(images, 28 * (j + dj), 28 * (i + di), 28, 28, 0, 0, 280, 280);
    }
    said.textContent = `z = (${z.map((v) => v.toFixed(2)).join(", ")})`;
  }
  map.canvas.addEventListener("pointermove", (event) => {
    const box = map.canvas.getBoundingClientRect();
    show([(event.clientX - box.left) / box.width, 1 - (event.clientY - box.top) / box.height]
      .map((share) => extent * Math.min(1, Math.max(-1, 2 * share - 1))));
  });
  images.onload = () => show([0, 0]);
  images.src = sprite;
}

function steps(parent, { every, frames, labels }) {
  const map = canvas(parent, 480, "the map of t-SNE at a step"), said = legend(parent);
  const slider = parent.appendChild(document.createElement("input"));
  Object.assign(slider, { type: "range", min: 0, max: frames.length - 1, value: frames.length - 1 });
  slider.setAttribute("aria-label", "step");
  slider.oninput = () => {
    const frame = frames[slider.value], extent = 1.05 * frame.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    points(map, frame, labels, extent);
    said.textContent = `step ${every * slider.value}; the frame's sides are at ±${extent.toFixed(1)}`;
  };
  slider.oninput();
}

document.querySelectorAll(".explore-plane").forEach((div) => plane(div, EXPLORED));
document.querySelectorAll(".explore-steps").forEach((div) => steps(div, EXPLORED));
