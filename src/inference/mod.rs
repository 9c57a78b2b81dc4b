//! ONNX detection: manifest, letterbox, decoder families, runtime.
