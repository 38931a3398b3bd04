/** A data module of random images with random labels, whatever the model's input: costs what real data cost, means nothing. */
const length = 1024;

export default function create({ classes = 10 }, [input]) {
  const dims = input.shape.slice(1);
  const size = dims.reduce((product, dim) => product * dim, 1);
  return {
    length,
    classes,
    read(indices) {
      const data = new Float32Array(indices.length * size);
      let state = (indices[0] + 1) * 2654435761;
      for (let at = 0; at < data.length; at++) {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
        data[at] = state / 2 ** 31 - 1;
      }
      const inputs = { [input.name]: { data, dims: [indices.length, ...dims] } };
      return { inputs, labels: indices.map((index) => index % classes) };
    },
  };
}
