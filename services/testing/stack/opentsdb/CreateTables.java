// Creates OpenTSDB's four tables as its own `create_table.sh` does, but without compression; those that are there stay. The class path
// holds HBase's client and the `hbase-site.xml` that says where HBase is.

import java.util.List;
import java.util.concurrent.Future;
import java.util.ArrayList;
import org.apache.hadoop.hbase.HBaseConfiguration;
import org.apache.hadoop.hbase.TableName;
import org.apache.hadoop.hbase.client.Admin;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptor;
import org.apache.hadoop.hbase.client.ColumnFamilyDescriptorBuilder;
import org.apache.hadoop.hbase.client.Connection;
import org.apache.hadoop.hbase.client.ConnectionFactory;
import org.apache.hadoop.hbase.client.TableDescriptorBuilder;
import org.apache.hadoop.hbase.regionserver.BloomType;

public final class CreateTables {
    public static void main(String[] arguments) throws Exception {
        try (Connection connection = ConnectionFactory.createConnection(HBaseConfiguration.create()); Admin admin = connection.getAdmin()) {
            List<Future<Void>> started = new ArrayList<>();
            create(admin, started, "tsdb-uid", "id", "name");
            create(admin, started, "tsdb", "t");
            create(admin, started, "tsdb-tree", "t");
            create(admin, started, "tsdb-meta", "name");
            for (Future<Void> one : started) {
                one.get();
            }
        }
    }

    private static void create(Admin admin, List<Future<Void>> started, String name, String... families) throws Exception {
        if (admin.tableExists(TableName.valueOf(name))) {
            return;
        }
        TableDescriptorBuilder table = TableDescriptorBuilder.newBuilder(TableName.valueOf(name));
        for (String family : families) {
            ColumnFamilyDescriptor row = ColumnFamilyDescriptorBuilder.newBuilder(family.getBytes()).setBloomFilterType(BloomType.ROW).build();
            table.setColumnFamily(row);
        }
        started.add(admin.createTableAsync(table.build()));
    }
}
