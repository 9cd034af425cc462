//! Groups of nodes that are likely to change together, such as the files of a package. A writer may put the nodes of a
//! group beside each other, so that an update rewrites little else. Knows neither packages nor volumes.

use std::collections::BTreeMap;

use super::NodeId;

/// The groups of a tree's nodes; a node is in one group at most.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ChangeGroups {
    /// Sorted.
    names: Vec<Box<[u8]>>,
    /// By [`NodeId::index`]: 0 for none, else one more than the index into the names.
    of: Vec<u32>,
}

impl ChangeGroups {
    /// Groups by their names, each with its nodes. A node that is given twice stays in the first group by name.
    pub fn new(groups: &BTreeMap<Box<[u8]>, Vec<NodeId>>) -> Self {
        let last = groups.values().flatten().map(|id| id.index()).max();
        let mut of = vec![0; last.map_or(0, |last| last + 1)];
        for (number, nodes) in (1..).zip(groups.values()) {
            for node in nodes {
                let group = &mut of[node.index()];
                *group = if *group == 0 { number } else { *group };
            }
        }
        Self { names: groups.keys().cloned().collect(), of }
    }

    /// The number of a node's group, from 1 on in the order of their names; 0 for a node without one.
    pub fn of(&self, node: NodeId) -> u32 {
        self.of.get(node.index()).copied().unwrap_or_default()
    }

    /// The names, sorted; the group with number 1 is the first.
    pub fn names(&self) -> impl Iterator<Item = &[u8]> {
        self.names.iter().map(|name| &**name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_has_the_first_of_its_groups_by_name() {
        let (a, b, c) = (NodeId(5), NodeId(2), NodeId(9));
        let groups = BTreeMap::from([(Box::from(*b"y"), vec![a]), (Box::from(*b"x"), vec![b, a])]);
        let groups = ChangeGroups::new(&groups);
        assert_eq!((groups.of(a), groups.of(b), groups.of(c)), (1, 1, 0));
        assert_eq!(groups.names().collect::<Vec<_>>(), [b"x", b"y"]);
        assert_eq!(ChangeGroups::default().of(a), 0);
    }
}
