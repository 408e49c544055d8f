package straum.oracle;

import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.IOException;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import straum.oracle.cases.Catalogue;
import straum.oracle.fixtures.Comparison;
import straum.oracle.fixtures.FixtureFile;

/** The command line behind scripts/oracle. */
public final class Main {
    private Main() {
    }

    public static void main(final String[] arguments) throws Exception {
        switch (arguments.length == 0 ? "" : arguments[0]) {
            case "uncached" -> uncached(Path.of(arguments[1]));
            case "compare" -> System.exit(compare(Path.of(arguments[1]), Path.of(arguments[2])));
            default -> {
                System.err.println("usage: uncached FOLDER | compare COMMITTED GENERATED");
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
}
