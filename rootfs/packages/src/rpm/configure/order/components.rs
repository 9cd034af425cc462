//! Strongly connected components of a graph (Tarjan's algorithm with a stack of its own, for chains may be long).

/// The loops of a graph, each as the list of its nodes; a node in no loop is one of its own. A component comes after all
/// that its nodes have edges to.
pub(super) fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = ComponentSearch {
        edges,
        number: vec![0; edges.len()],
        low: vec![0; edges.len()],
        ..ComponentSearch::default()
    };
    search.on_stack = vec![false; edges.len()];
    for node in 0..edges.len() {
        search.from(node);
    }
    search.found
}

#[derive(Default)]
struct ComponentSearch<'a> {
    edges: &'a [Vec<usize>],
    /// The order in which a node was found, from 1; 0 for those that were not.
    number: Vec<usize>,
    /// The lowest number that can be reached from it.
    low: Vec<usize>,
    on_stack: Vec<bool>,
    stack: Vec<usize>,
    count: usize,
    found: Vec<Vec<usize>>,
}

impl ComponentSearch<'_> {
    fn from(&mut self, start: usize) {
        if self.number[start] != 0 {
            return;
        }
        let mut path = vec![(start, 0)];
        self.enter(start);
        while let Some((node, next)) = path.last_mut() {
            let node = *node;
            if let Some(&to) = self.edges[node].get(*next) {
                *next += 1;
                if self.number[to] == 0 {
                    self.enter(to);
                    path.push((to, 0));
                } else if self.on_stack[to] {
                    self.low[node] = self.low[node].min(self.number[to]);
                }
                continue;
            }
            path.pop();
            if let Some((above, _)) = path.last() {
                self.low[*above] = self.low[*above].min(self.low[node]);
            }
            if self.low[node] == self.number[node] {
                self.leave(node);
            }
        }
    }

    fn enter(&mut self, node: usize) {
        self.count += 1;
        self.number[node] = self.count;
        self.low[node] = self.count;
        self.on_stack[node] = true;
        self.stack.push(node);
    }

    fn leave(&mut self, root: usize) {
        let mut component = Vec::new();
        while let Some(node) = self.stack.pop() {
            self.on_stack[node] = false;
            component.push(node);
            if node == root {
                break;
            }
        }
        self.found.push(component);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loops_are_found_and_come_after_what_they_need() {
        let edges = vec![vec![1], vec![2, 4], vec![1, 3], vec![], vec![4], vec![0]];
        let mut found = components(&edges);
        for component in &mut found {
            component.sort_unstable();
        }
        assert_eq!(found, [vec![3], vec![4], vec![1, 2], vec![0], vec![5]]);
        let chain: Vec<Vec<usize>> =
            (0..100_000).map(|at| if at < 99_999 { vec![at + 1] } else { vec![0] }).collect();
        assert_eq!(components(&chain).len(), 1);
    }
}
