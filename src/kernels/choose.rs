//! The choice among the rows of an operation.

use thiserror::Error;

use super::{Caps, Tuned, Variant, variants};
use crate::ops::Op;

/// A variant that is not available.
#[derive(Debug, Error, PartialEq)]
pub enum SelectError {
    /// A forced operation that does not exist.
    #[error("no operation {op}; there are {known}")]
    UnknownOp {
        /// The request.
        op: String,
        /// The operations.
        known: String,
    },
    /// A forced variant that does not exist.
    #[error("{op} has no variant {name}; it has {known}")]
    UnknownVariant {
        /// The operation.
        op: String,
        /// The request.
        name: String,
        /// Its variants.
        known: String,
    },
    /// A forced variant that cannot compute this shape on this device.
    #[error(
        "{op}/{name} cannot run {operands} on this device: {lacks}. {able} can: force one of them too, after it"
    )]
    Unsupported {
        /// The operation.
        op: &'static str,
        /// The variants that are forced, in order.
        name: String,
        /// The operation's operands.
        operands: String,
        /// What the forced variants need.
        lacks: String,
        /// The variants that can.
        able: String,
    },
    /// No variant at all.
    #[error("no kernel of {op} can run {operands} on this device: {lacks}")]
    None {
        /// The operation.
        op: &'static str,
        /// Its operands.
        operands: String,
        /// What its variants need.
        lacks: String,
    },
}

/// The variant for an operation on a device: the forced one, else the fastest measured one, else the one with the highest
/// expected speed.
///
/// # Errors
/// As [`select`].
pub fn choose(
    op: &Op,
    caps: &Caps,
    forced: &[(String, String)],
    tuned: &Tuned,
) -> Result<&'static Variant, SelectError> {
    let free = forced.iter().all(|(name, _)| name != op.name());
    match tuned.row(op, caps).filter(|_| free) {
        Some(row) => Ok(row),
        None => select(op, caps, forced),
    }
}

/// The variant for an operation on a device: the forced one, else the one with the highest expected speed.
///
/// `forced` lists (operation, variant) pairs by name. Of several for one operation the first that can compute its shape
/// is taken; operations that it does not list are free.
///
/// # Errors
/// [`SelectError`] if a forced name does not exist, no forced variant applies, or no variant applies at all.
pub fn select(op: &Op, caps: &Caps, forced: &[(String, String)]) -> Result<&'static Variant, SelectError> {
    exist(forced)?;
    let rows = || variants().filter(|v| v.op == op.name());
    let able = || rows().filter(|v| v.supports(op, caps));
    let wanted: Vec<&str> =
        forced.iter().filter(|(name, _)| name == op.name()).map(|(_, name)| name.as_str()).collect();
    let operands = || {
        let operands = op.operands();
        let each = operands.iter().map(|o| format!("{} {} {}", o.name, o.shape, o.dtype));
        each.collect::<Vec<_>>().join(", ")
    };
    let lacks = |wanted: &dyn Fn(&Variant) -> bool| {
        let each = rows().filter(|row| wanted(row));
        let each = each.map(|row| format!("{} needs {}", row.name, row.lacks(op, caps).join(", ")));
        each.collect::<Vec<_>>().join("; ")
    };
    if wanted.is_empty() {
        return fastest(able(), op, caps).ok_or_else(|| SelectError::None {
            op: op.name(),
            operands: operands(),
            lacks: lacks(&|_| true),
        });
    }
    let first = wanted.iter().find_map(|name| able().find(|v| v.name == *name));
    first.ok_or_else(|| SelectError::Unsupported {
        op: op.name(),
        name: wanted.join(", "),
        operands: operands(),
        lacks: lacks(&|row| wanted.contains(&row.name)),
        able: names(able()),
    })
}

/// Whether forced (operation, variant) pairs are in the table, whatever the shape and the device.
///
/// # Errors
/// [`SelectError::UnknownOp`], [`SelectError::UnknownVariant`].
pub fn exist(forced: &[(String, String)]) -> Result<(), SelectError> {
    for (op, name) in forced {
        let rows = || variants().filter(|v| v.op == op);
        if rows().next().is_none() {
            return Err(SelectError::UnknownOp { op: op.clone(), known: Op::NAMES.join(", ") });
        }
        if rows().all(|v| v.name != name) {
            let (op, name, known) = (op.clone(), name.clone(), names(rows()));
            return Err(SelectError::UnknownVariant { op, name, known });
        }
    }
    Ok(())
}

fn names(rows: impl Iterator<Item = &'static Variant>) -> String {
    rows.map(|v| v.name).collect::<Vec<_>>().join(", ")
}

/// The row with the highest [`Variant::speed`]; the first among equals.
fn fastest(rows: impl Iterator<Item = &'static Variant>, op: &Op, caps: &Caps) -> Option<&'static Variant> {
    first_of_the_highest(rows.map(|row| (row.speed(op, caps), row)))
}

fn first_of_the_highest<T>(rated: impl Iterator<Item = (u32, T)>) -> Option<T> {
    rated.reduce(|best, other| if other.0 > best.0 { other } else { best }).map(|(_, row)| row)
}

#[cfg(test)]
mod tests {
    use super::{super::DeviceClass, *};
    use crate::ops::{Activate, Conv, ConvForward, Half};

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

    /// Mixed precision without matrix units takes the rows of f32.
    #[test]
    fn matrix_units_precede_winograd_and_winograd_precedes_direct_sums() {
        for width in [64, 512] {
            let plain = ConvForward::plain(Conv { n: 16, h: 28, w: 28, c: width, k: width });
            let without = Caps { matrix_units: None, ..Caps::DISCRETE };
            let name = |op: Op, caps| select(&op, caps, &[]).unwrap().name;
            assert_eq!(name(plain.into(), &Caps::DISCRETE), "winograd4");
            assert_eq!(name(Half::new(plain).into(), &without), "winograd4");
            assert_eq!(name(Half::new(plain).into(), &Caps::DISCRETE), "cooperative");
        }
    }

    #[test]
    fn the_choice_is_by_device_shape_and_flag() {
        let conv = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 8, k: 8 }));
        let odd = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 5, k: 8 }));
        let software = Caps { class: DeviceClass::Software, ..Caps::WEBGPU };
        assert_eq!(select(&conv, &Caps::WEBGPU, &[]).unwrap().name, "tiled_128x64");
        assert_eq!(select(&conv, &software, &[]).unwrap().name, "blocked");
        assert_eq!(select(&odd, &software, &[]).unwrap().name, "tiled_128x64");
        let lanes = Caps { subgroup_sizes: Some([8, 8]), ..software.clone() };
        let wide = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 5, k: 32 }));
        let first = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 1, k: 32 }));
        assert_eq!(select(&wide, &lanes, &[]).unwrap().name, "lanes");
        assert_eq!(select(&first, &lanes, &[]).unwrap().name, "direct");
        assert_eq!(select(&first, &Caps::WEBGPU, &[]).unwrap().name, "direct");
        assert_eq!(select(&conv, &lanes, &[]).unwrap().name, "blocked");
        let tiled = forced("conv.forward", "tiled_64x64");
        assert_eq!(select(&conv, &software, &tiled).unwrap().name, "tiled_64x64");
        let error = select(&odd, &software, &forced("conv.forward", "blocked")).unwrap_err().to_string();
        assert!(
            error.starts_with(
                "conv.forward/blocked cannot run input [1, 4, 4, 5] f32, weight [3, 3, 5, 8] f32, "
            ) && error
                .contains(" on this device: blocked needs input channels divisible by 4, output channels divisible by 8. tiled_128x64, "),
            "{error}"
        );
        let error = select(&conv, &software, &forced("conv.forward", "magic")).unwrap_err().to_string();
        assert!(error.contains("magic") && error.contains("tiled"), "{error}");
        let relu = Op::from(Activate::relu(3));
        let error = select(&relu, &software, &forced("conv", "tiled_64x64")).unwrap_err().to_string();
        assert!(error.contains("no operation conv;"), "{error}");
    }

    #[test]
    fn flags_precede_measurements_and_those_expectations() {
        let conv = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 8, k: 8 }));
        let odd = Op::from(ConvForward::plain(Conv { n: 1, h: 4, w: 4, c: 5, k: 8 }));
        let caps = Caps::WEBGPU;
        let mut tuned = Tuned::default();
        for op in [&conv, &odd] {
            tuned.set(op.name(), &Tuned::shape(op), "blocked");
        }
        let name = |op, forced: &[(String, String)], tuned| choose(op, &caps, forced, tuned).unwrap().name;
        let untuned = Tuned::default();
        assert_eq!(name(&conv, &[], &untuned), "tiled_128x64");
        assert_eq!(name(&conv, &[], &tuned), "blocked");
        assert_eq!(name(&odd, &[], &tuned), "tiled_128x64", "a variant that cannot run is not taken");
        assert_eq!(name(&conv, &forced("conv.forward", "tiled_64x64"), &tuned), "tiled_64x64");
        assert_eq!(
            name(&conv, &forced("activation.forward", "scalar"), &tuned),
            "blocked",
            "another operation"
        );
        let both = [forced("conv.forward", "blocked"), forced("conv.forward", "tiled_64x64")].concat();
        assert_eq!(name(&odd, &both, &tuned), "tiled_64x64", "forced in the order of preference");
        assert_eq!(name(&conv, &both, &untuned), "blocked");
    }

    #[test]
    fn the_first_of_the_fastest_is_taken() {
        assert_eq!(
            first_of_the_highest([(100, "plain"), (40, "long"), (100, "equal")].into_iter()),
            Some("plain")
        );
        assert_eq!(
            first_of_the_highest([(100, "plain"), (180, "long"), (100, "equal")].into_iter()),
            Some("long")
        );
        assert_eq!(first_of_the_highest(std::iter::empty::<(u32, &str)>()), None);
    }
}
