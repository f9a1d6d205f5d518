/** The task that deletes a file's rows for `select s3_connector.undo_file(name, key)`. */
import { undoTask } from '../src/requests/undo.ts';

export default undoTask;
