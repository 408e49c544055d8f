package straum.oracle.cases;

import org.apache.kafka.streams.Topology;
import straum.oracle.language.Interpreter;

/**
 * Seeded random operator graphs. A graph is kept only when its outcome does not depend on how tasks take turns, see
 * {@link Determinism}; otherwise the next attempt's seed is tried.
 */
final class Graphs {
    private static final int ATTEMPTS = 500;

    private Graphs() {
    }

    static Case graph(final int number) {
        final int depth = 3 + number % 6;
        final boolean punctuates = number % 10 == 9;
        for (int attempt = 0; attempt < ATTEMPTS; attempt++) {
            final GraphGenerator generator = new GraphGenerator(number * 1_000L + attempt, depth, punctuates);
            final Case graph = Case.of(String.format("graph/%03d-depth-%d", number, depth), generator.generate());
            final Topology topology = Interpreter.topology(graph.topology());
            if (Determinism.holds(topology.describe(), punctuates)) {
                return graph;
            }
        }
        throw new IllegalStateException("no deterministic graph found for number " + number);
    }
}
