/** Points of top-1 that a target's file may be below that of ort-cpu on the fixture networks. */
export const pointsBelow: Readonly<Record<string, number>> = {
  "ort-cpu": 0,
  "ort-cpu-no-vnni": 0.2,
  "ort-web": 0.2,
  openvino: 0.2,
  tensorrt: 0.3,
  qnn: 0.3,
  generic: 0.3,
};
