//! WGSL sources: assembly from parts, and reflection through naga (which is imported here only).

mod reflect;
mod source;

pub use source::Source;
