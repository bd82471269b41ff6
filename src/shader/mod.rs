//! WGSL sources: assembly from fragments, and reflection through naga, which only this room imports.

mod contract;
mod reflect;
mod source;
mod translate;

pub use contract::{ContractError, header};
pub use reflect::{Binding, Interface, Member, ReflectError, Struct};
pub(crate) use source::fragment;
pub use source::{Fragment, Source};
pub use translate::{Language, TranslateError, translate};
