//! WGSL sources: assembly from fragments, and reflection through naga, which only this room imports.

mod bounds;
mod contract;
mod fragment;
mod reflect;
mod source;
mod translate;

pub use bounds::OUT_OF_BOUNDS;
pub use contract::ContractError;
pub(crate) use fragment::fragment;
pub use fragment::{Fragment, header};
pub use reflect::{Binding, Interface, Member, ReflectError, Struct};
pub use source::Source;
pub use translate::{Language, TranslateError, translate};
