//! `report.html`: a run on one self-contained page, or several runs on one.

mod command;
mod curves;
mod one;
mod page;
mod several;

pub(super) use self::{
    command::{Flags, compare, run},
    one::{Measured, Report},
};
