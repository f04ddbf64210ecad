//! Which parameters are estimated together.

use std::collections::{BTreeMap, BTreeSet};

use crate::history::{History, Trial};
use crate::space::{ParameterIndex, Space};

/// Groups of parameters, in the order of their first ones. Those with a single value are in none.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Groups(Vec<Vec<ParameterIndex>>);

impl Groups {
    /// Each parameter by itself.
    pub(super) fn alone(space: &Space) -> Self {
        Self(variable(space).map(|parameter| vec![parameter]).collect())
    }

    /// Parameters that finished trials had together: the parts that are left when the sets of parameters of all trials are cut by
    /// each other. With `is_grouped` false, those that all trials had are one group. Nobody had the others: each is alone.
    ///
    /// Strasser, in Optuna's `_GroupDecomposedSearchSpace`.
    pub(super) fn together(history: &History, is_grouped: bool) -> Self {
        let space = history.space();
        if space
            .parameters()
            .iter()
            .all(|each| each.condition.is_none())
        {
            let all: Vec<_> = variable(space).collect();
            return Self(if all.is_empty() {
                Vec::new()
            } else {
                vec![all]
            });
        }
        let mut sets: BTreeSet<Vec<bool>> = BTreeSet::new();
        let mut set = Vec::with_capacity(space.len());
        for trial in history.trials().iter().filter(|trial| trial.is_finished()) {
            set.clear();
            set.extend((0..space.len()).map(|each| trial.has(each)));
            if !sets.contains(&set) {
                sets.insert(set.clone());
            }
        }
        // Two parameters are in one part if the same sets have them.
        let mut parts: BTreeMap<Vec<bool>, Vec<ParameterIndex>> = BTreeMap::new();
        let mut groups = Vec::new();
        for parameter in variable(space) {
            let owners: Vec<bool> = sets.iter().map(|set| set[parameter]).collect();
            let is_known = owners.iter().any(|owns| *owns);
            let is_everywhere = owners.iter().all(|owns| *owns);
            if is_known && (is_grouped || is_everywhere) {
                parts.entry(owners).or_default().push(parameter);
            } else {
                groups.push(vec![parameter]);
            }
        }
        groups.extend(parts.into_values());
        groups.sort_by_key(|group| group[0]);
        Self(groups)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &[ParameterIndex]> {
        self.0.iter().map(Vec::as_slice)
    }
}

/// True if a trial has all parameters of a group.
pub(super) fn has_all(trial: &Trial, group: &[ParameterIndex]) -> bool {
    group.iter().all(|parameter| trial.has(*parameter))
}

fn variable(space: &Space) -> impl Iterator<Item = ParameterIndex> {
    (0..space.len()).filter(|parameter| !space.domain(*parameter).is_single())
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::domain::Domain;
    use crate::history::Outcome;
    use crate::space::{Condition, Parameter};

    const UNIT: Domain = Domain::Float {
        low: 0.0,
        high: 1.0,
        is_log: false,
    };

    fn history(choices: &[f64]) -> History {
        let plain = |domain| Parameter {
            domain,
            condition: None,
        };
        let in_branch = |choice| Parameter {
            domain: UNIT,
            condition: Some(Condition {
                parameter: 1,
                choice,
            }),
        };
        let space = Space::new(vec![
            plain(UNIT),
            plain(Domain::Categorical { count: 3 }),
            in_branch(0),
            in_branch(1),
            in_branch(1),
            plain(Domain::integers(7, 7, false)),
        ])
        .unwrap();
        let mut history = History::new(Arc::new(space));
        for (number, choice) in choices.iter().enumerate() {
            let mut values = vec![0.5, *choice, 0.5, 0.5, 0.5, 7.0];
            history.space().clone().prune(&mut values);
            history.begin(number as u64, values);
            history.end(number as u64, Outcome::complete(vec![0.0]));
        }
        history
    }

    #[test]
    fn branches_are_groups_of_their_own_once_they_were_seen() {
        let together = |choices: &[f64]| Groups::together(&history(choices), true).0;
        assert_eq!(together(&[0.0]), [vec![0, 1, 2], vec![3], vec![4]]);
        assert_eq!(together(&[0.0, 1.0]), [vec![0, 1], vec![2], vec![3, 4]]);
        assert_eq!(together(&[1.0]), [vec![0, 1, 3, 4], vec![2]]);
    }

    #[test]
    fn without_groups_only_what_always_exists_is_together() {
        let groups = Groups::together(&history(&[0.0, 1.0]), false).0;
        assert_eq!(groups, [vec![0, 1], vec![2], vec![3], vec![4]]);
    }

    #[test]
    fn what_has_one_value_is_in_no_group() {
        let alone = Groups::alone(history(&[]).space()).0;
        assert_eq!(alone, [[0], [1], [2], [3], [4]]);
    }
}
