//! The locks of a start: rendered once, and part of the saga from then on.

use std::sync::Arc;

use crate::{
    decide::{Begin, started},
    definition::{Definition, limits},
    expr::written,
    ids::{LockName, SagaId},
    render::start_value,
    time::Time,
};

/// The locks that a start takes, in the order in which every saga takes them: by the bytes of their names, each once. `with` has
/// its labels already.
///
/// # Errors
/// Why it cannot be started like this: a name that cannot be computed, or is none.
pub fn locks(definition: &Definition, saga: SagaId, with: &Begin, now: Time) -> Result<Arc<[LockName]>, String> {
    if definition.locks.is_empty() {
        return Ok(Arc::default());
    }
    let started = started(definition, with.clone(), now);
    let mut names = Vec::with_capacity(definition.locks.len());
    for (template, nth) in definition.locks.iter().zip(1..) {
        let name = template.render(&|path| start_value(saga, &started, now, path));
        let name = name.map_err(|why| format!("lock {nth} cannot be computed: {why}"))?;
        if name.is_null() || name.is_array() || name.is_object() {
            return Err(format!("lock {nth}: a list, a map or null is no name"));
        }
        let name = written(&name);
        if name.is_empty() || name.len() > limits::LOCK_BYTES || name.chars().any(char::is_control) {
            return Err(format!("lock {nth}: a name of 1 to {} bytes without control characters", limits::LOCK_BYTES));
        }
        names.push(LockName(name.into()));
    }
    names.sort();
    names.dedup();
    Ok(names.into())
}

/// Whether a child may run under these locks of its root: it takes none itself, for a parent that held one and a child that
/// waited for another could be half of a circle. Every lock that the child's definition asks for must be the root's already.
///
/// # Errors
/// Those that are not.
pub fn locks_declared_by(root: &[LockName], child: &[LockName]) -> Result<(), Vec<LockName>> {
    let missing: Vec<LockName> = child.iter().filter(|lock| !root.contains(lock)).cloned().collect();
    if missing.is_empty() { Ok(()) } else { Err(missing) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_child_runs_under_the_locks_of_its_root_and_under_no_others() {
        let names = |names: &[&str]| names.iter().map(|name| LockName::from(*name)).collect::<Vec<_>>();
        assert_eq!(locks_declared_by(&names(&["a", "b"]), &names(&["b"])), Ok(()));
        assert_eq!(locks_declared_by(&[], &[]), Ok(()));
        assert_eq!(locks_declared_by(&names(&["a", "b"]), &names(&["b", "c", "d"])), Err(names(&["c", "d"])));
    }
}
