'use strict';
// onnxruntime-node's script calls this first. Ending here, with success, it downloads nothing.
exports.bootstrap = () => process.exit(0);
