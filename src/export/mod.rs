//! Files for other programs: networks as ONNX and as folders for the Hugging Face hub, runs for TensorBoard.

mod card;
mod hub;
mod onnx;
mod pytorch;
mod tensorboard;
mod timm;

pub use card::{Card, Judged};
pub use hub::{HubError, check_hub_folder, write_hub};
pub use onnx::{Ends, ExportError, write_onnx, write_quantized_onnx};
pub use pytorch::pytorch;
pub use tensorboard::TensorBoard;
pub use timm::timm_lacks;
