package straum.oracle;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import straum.oracle.cases.CachedCases;
import straum.oracle.cases.Catalogue;
import straum.oracle.fixtures.Comparison;
import straum.oracle.fixtures.FixtureFile;
import straum.oracle.fixtures.SeededFault;
import straum.oracle.run.BrokerTopics;
import straum.oracle.run.CachedRun;

/** The command line behind scripts/oracle. */
public final class Main {
    private static final int CACHED_RUNS_AT_ONCE = 4;

    private Main() {
    }

    public static void main(final String[] arguments) throws Exception {
        switch (arguments.length == 0 ? "" : arguments[0]) {
            case "uncached" -> uncached(Path.of(arguments[1]));
            case "cached" -> cached(arguments[1], Path.of(arguments[2]));
            case "compare" -> System.exit(compare(Path.of(arguments[1]), Path.of(arguments[2])));
            case "seeded-fault" -> System.exit(seededFault(Path.of(arguments[1]), Path.of(arguments[2])));
            default -> {
                System.err.println("usage: uncached FOLDER | cached BOOTSTRAP FOLDER | compare COMMITTED GENERATED | seeded-fault FOLDER COPY");
                System.exit(2);
            }
        }
    }

    private static void uncached(final Path folder) throws IOException {
        write(folder, "describe", Catalogue.descriptions());
        write(folder, "graphs", Catalogue.graphs());
        for (final Map.Entry<String, List<ObjectNode>> file : Catalogue.operators().entrySet()) {
            write(folder, file.getKey(), file.getValue());
        }
    }

    /** The state folder is temporary; scripts/oracle removes it with all the rest. */
    private static void cached(final String bootstrap, final Path folder) throws Exception {
        final Path state = Files.createTempDirectory("oracle-state");
        final ExecutorService threads = Executors.newFixedThreadPool(CACHED_RUNS_AT_ONCE);
        try (BrokerTopics broker = new BrokerTopics(bootstrap)) {
            final List<Future<ObjectNode>> running = new ArrayList<>();
            for (final CachedRun run : CachedCases.all()) {
                running.add(threads.submit(() -> run.fixture(broker, state)));
            }
            final List<ObjectNode> fixtures = new ArrayList<>();
            for (final Future<ObjectNode> run : running) {
                fixtures.add(run.get());
            }
            write(folder, "cached", fixtures);
        } finally {
            threads.shutdownNow();
        }
    }

    private static void write(final Path folder, final String file, final List<ObjectNode> fixtures) throws IOException {
        FixtureFile.write(folder.resolve(file + ".jsonl.gz"), fixtures);
        System.out.println(file + ": " + fixtures.size() + " fixtures");
    }

    private static int compare(final Path committed, final Path generated) throws IOException {
        final List<String> differences = Comparison.differences(committed, generated);
        differences.forEach(System.out::println);
        System.out.println(differences.size() + " differences");
        return differences.isEmpty() ? 0 : 1;
    }

    private static int seededFault(final Path folder, final Path copy) throws IOException {
        final List<String> differences = SeededFault.differences(folder, copy);
        System.out.println("seeded fault " + (differences.size() == 1 ? "found: " + differences.get(0) : "missed: " + differences));
        return differences.size() == 1 ? 0 : 1;
    }
}
