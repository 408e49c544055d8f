package straum.oracle.cases;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.TreeMap;
import straum.oracle.fixtures.Fixture;
import straum.oracle.fixtures.Step;
import straum.oracle.run.DriverRun;

/** All fixtures that need no broker, by file. */
public final class Catalogue {
    private static final int RECORDS_AN_OPERATOR = 1_000;
    private static final int GRAPHS = 200;
    private static final int RECORDS_A_GRAPH = 200;

    private Catalogue() {
    }

    /** One file an operator. */
    public static Map<String, List<ObjectNode>> operators() {
        final List<Case> cases = new ArrayList<>();
        cases.addAll(StreamCases.all());
        cases.addAll(AggregationCases.all());
        cases.addAll(TableCases.all());
        cases.addAll(JoinCases.all());
        final Map<String, List<ObjectNode>> files = new TreeMap<>();
        for (final Case one : cases) {
            files.computeIfAbsent("operators/" + one.operator(), file -> new ArrayList<>())
                .add(DriverRun.fixture(one.name(), one.topology(), inputs(one, RECORDS_AN_OPERATOR)));
        }
        return files;
    }

    public static List<ObjectNode> descriptions() {
        return DescribeCases.all().stream().map(one -> Fixture.described(one.name(), one.topology())).toList();
    }

    public static List<ObjectNode> graphs() {
        final List<ObjectNode> fixtures = new ArrayList<>();
        for (int number = 0; number < GRAPHS; number++) {
            final Case graph = Graphs.graph(number);
            fixtures.add(DriverRun.fixture(graph.name(), graph.topology(), inputs(graph, RECORDS_A_GRAPH)));
        }
        return fixtures;
    }

    private static List<Step> inputs(final Case one, final int count) {
        final List<String> topics = Sketch.sourceTopics(one.topology());
        return movesWallClock(one.topology())
            ? Inputs.recordsAndAdvances(one.name(), count, topics)
            : Inputs.records(one.name(), count, topics);
    }

    private static boolean movesWallClock(final JsonNode topology) {
        for (final JsonNode node : topology) {
            if (node.hasNonNull("wall_every")) {
                return true;
            }
        }
        return false;
    }
}
