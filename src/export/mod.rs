//! Files for other programs: networks as ONNX, the curves of a run for TensorBoard.

mod onnx;
mod tensorboard;

pub use onnx::{Ends, ExportError, write_onnx, write_quantized_onnx};
pub use tensorboard::TensorBoard;
