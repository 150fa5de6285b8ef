import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.reflect.InvocationTargetException;
import java.util.Arrays;
import org.apache.kafka.common.utils.Exit;

/** Runs many of Kafka's tools in one JVM: a line per call, class and arguments apart by tabs; '== status' ends each one's output. */
public class Tools {
    static Integer status;

    /** Stops a tool where it would end the JVM. Some tools catch it and end once more: the first status counts. */
    static class Ended extends Error {
        Ended() {
            super("", null, false, false);
        }

        @Override
        public String toString() {
            return "";
        }
    }

    public static void main(String[] arguments) throws Exception {
        Exit.setExitProcedure((code, message) -> {
            status = status == null ? code : status;
            throw new Ended();
        });
        System.setErr(System.out);
        BufferedReader lines = new BufferedReader(new InputStreamReader(System.in));
        for (String line = lines.readLine(); line != null; line = lines.readLine()) {
            status = null;
            run(line.split("\t"));
            System.out.println("== " + (status == null ? 0 : status));
            System.out.flush();
        }
        System.exit(0);
    }

    static void run(String[] words) throws Exception {
        try {
            String[] arguments = Arrays.copyOfRange(words, 1, words.length);
            Class.forName(words[0]).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException failed) {
            if (!(failed.getCause() instanceof Ended)) {
                failed.getCause().printStackTrace(System.out);
                status = 1;
            }
        }
    }
}
