//! Files for other programs: networks as ONNX, the curves of a run for TensorBoard.

mod onnx;
mod tensorboard;

pub use onnx::{ExportError, write_onnx};
pub use tensorboard::TensorBoard;
