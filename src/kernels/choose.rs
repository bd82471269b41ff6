//! The choice among the rows of an operation.

use thiserror::Error;

use super::{Caps, Variant, variants};
use crate::ops::Op;

/// A variant that cannot be had.
#[derive(Debug, Error, PartialEq)]
pub enum SelectError {
    /// A forced operation that does not exist.
    #[error("no operation {op}; there are {known}")]
    UnknownOp {
        /// What was asked for.
        op: String,
        /// The operations.
        known: String,
    },
    /// A forced variant that does not exist.
    #[error("{op} has no variant {name}; it has {known}")]
    UnknownVariant {
        /// The operation.
        op: String,
        /// What was asked for.
        name: String,
        /// Its variants.
        known: String,
    },
    /// A forced variant that cannot compute this shape on this device.
    #[error("{op}/{name} cannot run {shape} on this device; {able} can")]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// The variant.
        name: &'static str,
        /// The operation with its attributes.
        shape: String,
        /// Those that can.
        able: String,
    },
    /// No variant at all.
    #[error("no kernel can run {shape} on this device")]
    None {
        /// The operation with its attributes.
        shape: String,
    },
}

/// The variant for an operation on a device: the forced one, else the one that expects to be the fastest.
///
/// `forced` lists (operation, variant) pairs by name; operations that it does not list are free.
///
/// # Errors
/// [`SelectError`] where a forced name does not exist or does not apply, or nothing applies.
pub fn select(op: &Op, caps: &Caps, forced: &[(String, String)]) -> Result<&'static Variant, SelectError> {
    let rows = || variants().filter(|v| v.op == op.name());
    let names = |rows: &mut dyn Iterator<Item = &'static Variant>| {
        rows.map(|v| v.name).collect::<Vec<_>>().join(", ")
    };
    if let Some((unknown, _)) = forced.iter().find(|(name, _)| !Op::NAMES.contains(&name.as_str())) {
        return Err(SelectError::UnknownOp { op: unknown.clone(), known: Op::NAMES.join(", ") });
    }
    let able = || rows().filter(|v| (v.supports)(op, caps));
    if let Some((_, name)) = forced.iter().find(|(name, _)| name == op.name()) {
        let Some(row) = rows().find(|v| v.name == name) else {
            let known = names(&mut rows());
            return Err(SelectError::UnknownVariant { op: op.name().into(), name: name.clone(), known });
        };
        if (row.supports)(op, caps) {
            return Ok(row);
        }
        let (shape, able) = (format!("{op:?}"), names(&mut able()));
        return Err(SelectError::Unsupported { op: row.op, name: row.name, shape, able });
    }
    fastest(able(), op, caps).ok_or_else(|| SelectError::None { shape: format!("{op:?}") })
}

/// The row of the highest [`Variant::speed`]; the first among equals.
fn fastest(rows: impl Iterator<Item = &'static Variant>, op: &Op, caps: &Caps) -> Option<&'static Variant> {
    rows.map(|row| ((row.speed)(op, caps), row))
        .reduce(|best, other| if other.0 > best.0 { other } else { best })
        .map(|(_, row)| row)
}

#[cfg(test)]
mod tests {
    use super::{super::DeviceClass, *};
    use crate::ops::{Conv, ConvForward, Relu};

    fn forced(op: &str, variant: &str) -> Vec<(String, String)> {
        vec![(op.into(), variant.into())]
    }

    #[test]
    fn names_are_unique_and_every_operation_has_a_row() {
        let rows: Vec<_> = variants().map(|v| (v.op, v.name)).collect();
        for (index, row) in rows.iter().enumerate() {
            assert!(!rows[..index].contains(row), "{row:?} twice");
            assert!(Op::NAMES.contains(&row.0), "{row:?} is of no operation");
        }
        for op in Op::NAMES {
            assert!(rows.iter().any(|row| row.0 == *op), "{op} has no row");
        }
    }

    #[test]
    fn the_choice_is_by_device_shape_and_flag() {
        let conv = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 8, k: 8 }));
        let odd = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 1, k: 8 }));
        let software = Caps { class: DeviceClass::Software, ..Caps::WEBGPU };
        assert_eq!(select(&conv, &Caps::WEBGPU, &[]).unwrap().name, "tiled");
        assert_eq!(select(&conv, &software, &[]).unwrap().name, "blocked");
        assert_eq!(select(&odd, &software, &[]).unwrap().name, "tiled");
        let lanes = Caps { subgroup_sizes: Some([8, 8]), ..software.clone() };
        let wide = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 1, k: 32 }));
        assert_eq!(select(&wide, &lanes, &[]).unwrap().name, "lanes");
        assert_eq!(select(&conv, &lanes, &[]).unwrap().name, "blocked");
        let tiled = forced("conv.forward", "tiled");
        assert_eq!(select(&conv, &software, &tiled).unwrap().name, "tiled");
        let error = select(&odd, &software, &forced("conv.forward", "blocked")).unwrap_err().to_string();
        assert!(error.contains("conv.forward/blocked cannot run") && error.contains("tiled can"), "{error}");
        let error = select(&conv, &software, &forced("conv.forward", "magic")).unwrap_err().to_string();
        assert!(error.contains("magic") && error.contains("tiled"), "{error}");
        let relu = Op::from(Relu { len: 3 });
        let error = select(&relu, &software, &forced("conv", "tiled")).unwrap_err().to_string();
        assert!(error.contains("no operation conv;"), "{error}");
    }

    #[test]
    fn a_row_says_by_shape_where_it_is_fast() {
        static ROWS: [Variant; 3] = [
            row("plain", |_, _| 100),
            row("long", |op, _| if matches!(op, Op::Relu(relu) if relu.len > 1000) { 180 } else { 40 }),
            row("equal", |_, _| 100),
        ];
        const fn row(name: &'static str, speed: fn(&Op, &Caps) -> u32) -> Variant {
            let build = |_: &Op, _: &Caps| unreachable!("nothing is built");
            Variant { op: "relu.forward", name, supports: |_, _| true, speed, build }
        }
        let chosen = |len| fastest(ROWS.iter(), &Relu { len }.into(), &Caps::WEBGPU).map(|row| row.name);
        assert_eq!(chosen(1000), Some("plain"), "the first among equals");
        assert_eq!(chosen(1001), Some("long"));
    }
}
