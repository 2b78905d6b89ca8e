//! A definition that is none, and what is said of it.

/// A step that is right.
pub(crate) const ONE: &str = "  a: { call: x POST /a, compensate: { call: x POST /u } }\n";

pub(crate) struct Case {
    pub(crate) name: &'static str,
    pub(crate) source: String,
    pub(crate) said: Vec<(&'static str, u32, u32)>,
}

pub(crate) fn case<const N: usize>(name: &'static str, source: &str, said: [(&'static str, u32, u32); N]) -> Case {
    Case { name, source: source.to_owned(), said: said.into() }
}

/// A definition that is right but for `lines`, which begin at line 4, two columns in.
pub(crate) fn steps<const N: usize>(name: &'static str, lines: &str, said: [(&'static str, u32, u32); N]) -> Case {
    let lines: String = lines.lines().map(|line| format!("  {line}\n")).collect();
    case(name, &format!("saga: s\ndeadline: 1h\nsteps:\n{lines}"), said)
}

/// One step whose call and more is `what`; it stands on line 4, and `what` begins at column 8.
pub(crate) fn step<const N: usize>(name: &'static str, what: &str, said: [(&'static str, u32, u32); N]) -> Case {
    steps(name, &format!("a: {{ {what}, compensate: {{ call: x POST /u }} }}"), said)
}
