import { z } from "zod";
import { framers } from "../core/framing/framers.ts";
import { findQuantity } from "../core/reading/quantity.ts";
import type { DriverApi } from "./driver.ts";

/** The tools handed to every driver module. */
export const driverApi: DriverApi = { z, findQuantity, ...framers };
