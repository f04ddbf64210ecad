//! The parameters of a search and which of them exist when.

use crate::domain::Domain;

/// The place of a parameter in its space.
pub type ParameterIndex = usize;

/// A parameter.
#[derive(Clone, Debug, PartialEq)]
pub struct Parameter {
    /// What it can be.
    pub domain: Domain,
    /// It exists only where another parameter, declared before it, has chosen this branch.
    pub condition: Option<Condition>,
}

/// A branch of a choice.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Condition {
    /// The choice.
    pub parameter: ParameterIndex,
    /// Its index.
    pub choice: usize,
}

/// All parameters, in the order of their declaration.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Space {
    parameters: Vec<Parameter>,
}

/// One value for each parameter; NaN for those that don't exist.
pub type Values = Vec<f64>;

impl Space {
    /// A space of these parameters.
    ///
    /// # Errors
    ///
    /// A condition names a parameter that is not declared before, or a branch that it does not have.
    pub fn new(parameters: Vec<Parameter>) -> Result<Self, String> {
        for (index, parameter) in parameters.iter().enumerate() {
            let Some(condition) = parameter.condition else {
                continue;
            };
            let is_known = condition.parameter < index
                && matches!(parameters[condition.parameter].domain, Domain::Categorical { count } if condition.choice < count);
            if !is_known {
                return Err(format!(
                    "parameter {index} depends on choice {} of parameter {}, which is no choice declared before it",
                    condition.choice, condition.parameter
                ));
            }
        }
        Ok(Self { parameters })
    }

    /// Its parameters.
    #[must_use]
    pub fn parameters(&self) -> &[Parameter] {
        &self.parameters
    }

    /// How many parameters there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.parameters.len()
    }

    /// True if there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.parameters.is_empty()
    }

    /// A parameter's domain.
    #[must_use]
    pub fn domain(&self, index: ParameterIndex) -> &Domain {
        &self.parameters[index].domain
    }

    /// Fills all parameters by their quantiles, and takes away those that don't exist then. Each has its own number, whether
    /// it exists or not, so the numbers of the others don't depend on what was chosen.
    pub fn fill(&self, unit: impl FnMut() -> f64) -> Values {
        let mut values = self.fill_all(unit);
        self.prune(&mut values);
        values
    }

    /// The same, with values also for those that don't exist then.
    pub fn fill_all(&self, mut unit: impl FnMut() -> f64) -> Values {
        self.parameters
            .iter()
            .map(|parameter| parameter.domain.quantile(unit()))
            .collect()
    }

    /// Where models begin: what they leave out ([`Domain::is_single`]) is drawn, all else is the first value.
    pub fn fill_left_out(&self, mut unit: impl FnMut() -> f64) -> Values {
        self.parameters
            .iter()
            .map(|Parameter { domain, .. }| {
                // Each has its own number, as in `fill`.
                let drawn = unit();
                domain.quantile(if domain.is_single() { drawn } else { 0.0 })
            })
            .collect()
    }

    /// Whether a parameter exists where those declared before it have these values.
    #[must_use]
    pub fn exists(&self, index: ParameterIndex, values: &[f64]) -> bool {
        // A choice that does not exist is NaN, and so equal to none.
        self.parameters[index]
            .condition
            .is_none_or(|Condition { parameter, choice }| values[parameter] == choice as f64)
    }

    /// Takes away the values of parameters that don't exist.
    pub fn prune(&self, values: &mut [f64]) {
        for index in 0..self.len() {
            if !self.exists(index, values) {
                values[index] = f64::NAN;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parameter(domain: Domain, condition: Option<(usize, usize)>) -> Parameter {
        Parameter {
            domain,
            condition: condition.map(|(parameter, choice)| Condition { parameter, choice }),
        }
    }

    const UNIT: Domain = Domain::Float {
        low: 0.0,
        high: 1.0,
        is_log: false,
    };

    #[test]
    fn parameters_exist_in_their_branch_only_also_in_branches_of_branches() {
        let choice = Domain::Categorical { count: 2 };
        let space = Space::new(vec![
            parameter(choice.clone(), None),
            parameter(choice, Some((0, 1))),
            parameter(UNIT, Some((1, 0))),
            parameter(UNIT, None),
        ])
        .unwrap();
        let filled = |units: [f64; 4]| {
            let mut units = units.into_iter();
            space.fill(|| units.next().unwrap())
        };
        assert_eq!(filled([0.9, 0.1, 0.3, 0.4]), [1.0, 0.0, 0.3, 0.4]);
        let other = filled([0.1, 0.1, 0.3, 0.4]);
        assert_eq!((other[0], other[3]), (0.0, 0.4));
        assert!(other[1].is_nan() && other[2].is_nan());
    }

    #[test]
    fn conditions_on_what_comes_later_or_is_no_choice_are_refused() {
        let choice = || Domain::Categorical { count: 2 };
        for (parameters, message) in [
            (
                vec![parameter(UNIT, Some((1, 0))), parameter(choice(), None)],
                "parameter 0",
            ),
            (
                vec![parameter(UNIT, None), parameter(UNIT, Some((0, 0)))],
                "parameter 1",
            ),
            (
                vec![parameter(choice(), None), parameter(UNIT, Some((0, 2)))],
                "parameter 1",
            ),
        ] {
            assert!(Space::new(parameters).unwrap_err().starts_with(message));
        }
    }
}
