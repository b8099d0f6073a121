'use strict';
// onnxruntime-node's script calls this first. Ending here, with success, it downloads nothing unless someone asks for it
// as docs/gpu.md says.
exports.bootstrap = () => {
  if (!process.env.ONNXRUNTIME_NODE_INSTALL) process.exit(0);
};
