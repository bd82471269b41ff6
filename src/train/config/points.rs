//! A piecewise linear curve over epochs.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

/// Points of a piecewise linear curve: `0:0.2,3:1,10:0` as text, an epoch and the factor at its beginning each.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Points(Vec<[f64; 2]>);

impl Points {
    /// The form, for messages.
    pub(super) const FORM: &str = "a list such as 0:0.2,3:1,10:0: increasing epochs (fractions allowed) from 0 on, each with a factor on \
                                   the learning rate from 0 on, not all 0";

    /// The value at an epoch: linear between two points, constant before the first and after the last.
    pub fn at(&self, epoch: f64) -> f64 {
        let next = self.0.partition_point(|point| point[0] <= epoch);
        match (next.checked_sub(1).map(|last| self.0[last]), self.0.get(next)) {
            (Some([x0, y0]), Some([x1, y1])) => y0 + (y1 - y0) * (epoch - x0) / (x1 - x0),
            (Some([_, y]), None) | (None, Some(&[_, y])) => y,
            (None, None) => 1.0,
        }
    }
}

impl fmt::Display for Points {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words: Vec<String> = self.0.iter().map(|[epoch, factor]| format!("{epoch}:{factor}")).collect();
        f.write_str(&words.join(","))
    }
}

impl FromStr for Points {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |text: &str| text.trim().parse().ok().filter(|v: &f64| v.is_finite() && *v >= 0.0);
        let point = |text: &str| text.split_once(':').and_then(|(x, y)| Some([number(x)?, number(y)?]));
        let points: Option<Vec<[f64; 2]>> = text.split(',').map(point).collect();
        points
            .filter(|points| {
                points.is_sorted_by(|a, b| a[0] < b[0]) && points.iter().any(|point| point[1] > 0.0)
            })
            .map(Self)
            .ok_or_else(|| format!("lr_points is {text:?}, but must be {}", Self::FORM))
    }
}

impl TryFrom<String> for Points {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Points> for String {
    fn from(points: Points) -> Self {
        points.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_back() {
        let points: Points = "0:0.2, 3:1,10.5:0".parse().unwrap();
        assert_eq!(points.to_string(), "0:0.2,3:1,10.5:0");
        assert_eq!("0:0.2,3:1,10.5:0".parse(), Ok(points));
        for wrong in [
            "",
            "1",
            "0:",
            ":1",
            "0:1,",
            "0:1,0:2",
            "2:1,1:0",
            "0:-1",
            "-1:1",
            "0:0,5:0",
            "0:inf",
            "0:nan,1:1",
            "a:b",
        ] {
            let error = wrong.parse::<Points>().unwrap_err();
            assert!(error.contains(&format!("{wrong:?}")) && error.contains("0:0.2,3:1,10:0"), "{error}");
        }
    }
}
