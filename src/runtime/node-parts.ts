import type { NodePlan } from "../config/plan.ts";
import type { Message } from "../core/anonymise/message.ts";
import type { NodeProblem } from "../core/events/problems.ts";
import type { SensorId, StreamId } from "../core/units/ids.ts";
import { NativeFormat } from "../formats/native.ts";
import type { Mark } from "../ports/outbox.ts";
import { Anchors } from "./anchors.ts";
import { type BrokerSafety, safetyOf, type WayToBroker } from "./broker-safety.ts";
import { Closer } from "./closer.ts";
import { Housekeeping } from "./housekeeping.ts";
import { Ingest } from "./ingest.ts";
import { Maintenance } from "./maintenance.ts";
import { MetaBook } from "./meta-book.ts";
import { sensorsOf, simulatedIn, streamsOf } from "./node-streams.ts";
import { Publisher } from "./publisher.ts";
import { publisherLimits } from "./publisher-limits.ts";
import type { Remembered } from "./remembered.ts";
import { SensorCrew } from "./sensor-crew.ts";
import { type NodeIdentity, StatusDesk } from "./status.ts";
import { StatusTeller } from "./status-teller.ts";
import { EARLIEST_MS, TimeDesk } from "./time-desk.ts";
import { Watches } from "./watches.ts";
import type { NodeOptions, World } from "./world.ts";

/** What the parts tell the node. */
export interface PartsListener {
  fatal(code: string): void;
}

/**
 * The parts of a running node, and the plan that they work by. Some live as long as the node does: they hold what is open and what is
 * remembered. What is only made of the plan is made anew with another one (`replan`); those that live on look at it here.
 */
export class NodeParts {
  readonly options: NodeOptions;
  readonly ingest: Ingest;
  readonly time: TimeDesk;
  readonly anchors: Anchors;
  readonly crew: SensorCrew;
  readonly status: StatusDesk;
  readonly teller: StatusTeller;
  readonly closer: Closer;
  readonly housekeeping: Housekeeping;
  readonly maintenance: Maintenance;
  readonly watches: Watches;
  /** Codes of what is wrong with the node itself. */
  readonly problems: Set<NodeProblem>;
  identity: NodeIdentity;
  #world: World;
  #plan: NodePlan;
  #format: NativeFormat;
  #metas: MetaBook;
  #simulated: ReturnType<typeof simulatedIn>;
  #safety: BrokerSafety;
  #publisher: Publisher;

  /** `found`: what the outbox remembers. */
  constructor(plan: NodePlan, world: World, options: NodeOptions, found: Remembered, listener: PartsListener) {
    this.options = options;
    this.identity = options.identity;
    this.problems = new Set(options.standing ?? []);
    this.#world = world;
    this.#plan = plan;
    this.#format = new NativeFormat(plan.broker.prefix, plan.node.id);
    this.#metas = new MetaBook(plan, this.#format, world.crypto, options.identity.version);
    this.#simulated = simulatedIn(plan);
    this.ingest = new Ingest(world);
    this.anchors = new Anchors({ ...world, ingest: this.ingest, closer: () => this.closer });
    const { source, holdoverMs } = plan.time;
    const { lastTrustedMs, ageingFromMs } = found;
    const limits = { holdoverMs, earliestMs: EARLIEST_MS, lastTrustedMs, ageingFromMs };
    this.time = new TimeDesk(world.clock, world.events, source, (offsetMs, how) => this.anchors.anchored(offsetMs, how), limits);
    this.maintenance = new Maintenance({ ...world, time: this.time });
    const isInMaintenance = (sensor: SensorId): boolean => this.maintenance.isActive(sensor);
    const sensors = () => this.crew.sensors;
    this.watches = new Watches({ ...world, time: this.time, sensors, onFlagged: () => this.teller.tell() });
    const listening = { overhear: this.watches.overhear.bind(this.watches), isInMaintenance };
    const crewWorld = { ...world, ...listening, ingest: this.ingest, onFatal: (code: string) => listener.fatal(code) };
    this.crew = new SensorCrew(crewWorld, plan.sensors);
    this.#safety = this.#makeSafety();
    this.#publisher = this.#makePublisher(0);
    this.status = this.#makeStatusDesk();
    const told = options.onTold === undefined ? {} : { onTold: options.onTold };
    const through = { format: () => this.#format, publisher: () => this.#publisher };
    this.teller = new StatusTeller({ ...world, ...told, ...through, desk: this.status });
    this.closer = this.#makeCloser(found);
    this.housekeeping = this.#makeHousekeeping();
  }

  get plan(): NodePlan {
    return this.#plan;
  }

  get world(): World {
    return this.#world;
  }

  get format(): NativeFormat {
    return this.#format;
  }

  get metas(): MetaBook {
    return this.#metas;
  }

  /** What stands before the broker. */
  get safety(): BrokerSafety {
    return this.#safety;
  }

  get publisher(): Publisher {
    return this.#publisher;
  }

  /** Ports of a kind that no sensor had until now. */
  equip(ports: Partial<Pick<World, "gpio" | "files" | "replay" | "modbus">>): void {
    this.#world = { ...this.#world, ...ports };
    this.crew.equip(ports);
  }

  /** Everything that is made of the plan but the sensors, which were on trial before. `marks`: where the outbox stands. */
  replan(plan: NodePlan, identity: NodeIdentity, marks: ReadonlyMap<StreamId, Mark>): void {
    this.identity = identity;
    this.#plan = plan;
    this.#format = new NativeFormat(plan.broker.prefix, plan.node.id);
    this.#metas = new MetaBook(plan, this.#format, this.#world.crypto, identity.version);
    this.#simulated = simulatedIn(plan);
    this.closer.replan(streamsOf(plan), marks);
  }

  /** A publisher for another broker. The one before has stopped. */
  reconnect(way: WayToBroker): void {
    this.#world = { ...this.#world, ...way };
    this.#safety = this.#makeSafety();
    this.#publisher = this.#makePublisher(this.#publisher.report.conn);
    this.#publisher.start();
  }

  goodbye(): Message {
    return this.#format.status(this.status.online("offline", this.#publisher.report.conn));
  }

  #makeSafety(): BrokerSafety {
    const names = { node: this.#plan.node.id, instance: this.#world.outbox.instance };
    return safetyOf({ ...this.#world, ...names, time: this.time }, this.#plan.broker);
  }

  #makePublisher(conn: number): Publisher {
    return new Publisher(
      {
        ...this.#world,
        broker: this.#safety.broker,
        time: this.time,
        will: (number) => this.#format.status(this.status.lost(number)),
        greeting: (number) => this.teller.message(number),
      },
      publisherLimits(this.#plan, this.#world.crypto),
      conn,
    );
  }

  #makeStatusDesk(): StatusDesk {
    const parts = this;
    return new StatusDesk({
      get plan() {
        return parts.plan;
      },
      get identity() {
        return parts.identity;
      },
      get sensors() {
        return parts.crew.sensors;
      },
      get buses() {
        return parts.crew.buses.report();
      },
      get nodeRev() {
        return parts.metas.nodeRev;
      },
      get safety() {
        return parts.safety;
      },
      outbox: this.#world.outbox,
      time: this.time,
      standing: this.problems,
      connection: () => this.#publisher.report,
      isWatched: (sensor) => this.watches.isFlagged(sensor),
    });
  }

  #makeCloser(found: Remembered): Closer {
    const parts = this;
    const { clock, live, outbox, events, crypto } = this.#world;
    return new Closer(
      {
        ...{ clock, live, outbox, events, crypto, ingest: this.ingest, time: this.time, node: this.#plan.node.id },
        get format() {
          return parts.format;
        },
        get metas() {
          return parts.metas;
        },
        get epsilonPerEventMicro() {
          return parts.plan.privacy.epsilonPerEventMicro;
        },
        isSimulated: (sensor) => this.#simulated.has(sensor),
        isInMaintenance: (stream, window) => sensorsOf(stream).some((sensor) => this.maintenance.touches(sensor, window)),
        commit: (batch) => this.#publisher.commit(this.time.noted(batch)),
        onMade: (made) => {
          this.#publisher.wake();
          this.options.onMade?.(made);
        },
      },
      streamsOf(this.#plan),
      found,
    );
  }

  #makeHousekeeping(): Housekeeping {
    const parts = this;
    const { directory, live } = this.#plan.storage;
    const storage = {
      ...{ directory, live },
      get outbox() {
        return parts.plan.storage.outbox;
      },
      get egress() {
        return parts.plan.storage.egress;
      },
    };
    return new Housekeeping(storage, this.#world, this.time);
  }
}
